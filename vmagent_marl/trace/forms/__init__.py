"""The forms of a trace: how each is read from a file, and those of them that are written.

To read it, begin with `read`, which tells the forms apart, and `write`. Each form has a module that
says its columns, units and censoring: `lifetimes`, `events`, `azure_vmtable`, `azure_packing` and
`hdf5`. What they share lies below: a file's `text` becomes `rows`, these a `table` whose cells are
checked, its `bad_rows` end the reading or are left out, and `assembly` makes a trace of the rest.
"""
