"""Episodes in HDF5, in Minari's layout: nothing half-written under its final name."""
