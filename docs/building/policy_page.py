"""The page of heuristics, out of the docstrings of the kernels that play them."""

from __future__ import annotations

from places_of_pages import ROOT
from prose import docstring, prose

POLICIES = ROOT / "vmagent_marl" / "policies"
USED_FIRST = "-used-first"

# Which function plays which rule: `file.function` in vmagent_marl/policies, and its formula.
PACKING = {
    "first-fit": ("packing.first_fit", "argmin of the slot's number"),
    "best-fit": ("packing.best_fit", "argmin s(n)"),
    "server-best-fit": ("packing.server_best_fit", "argmin S, then argmax s(n) on that server"),
    "worst-fit": ("packing.worst_fit", "argmax s(n)"),
    "balance-fit": ("packing.balance_fit", "argmax |s(node 0) - s(node 1)|, then argmax s(n)"),
    "first-server-emptier-node": ("packing.first_server", "argmin of the server, then argmax s(n)"),
    "dot-product": ("packing.dot_product", "argmin of the sum over i of d(i) / c(i) "
                    "x free(i) / c(i), free(i) of both nodes"),
    "fragmentation-gradient": ("preserving._fragmentation", "argmin F(after) - F(before)"),
    "slot-preserving": ("preserving._slots", "argmin N(before) - N(after)"),
    "nilas": ("nilas.nilas", "argmin max(0, e - max(r, now)), then argmin S"),
    "release-fit": (
        "nilas.release_fit",
        "argmin max(0, e - max(r, now)), then argmin r, then argmin S",
    ),
}  # fmt: skip
PASSING = {
    "accept-always": None,
    "cheapest-first": "passing.cheaper_with_room",
    "pass-unless-cheapest-or-last": "passing.cheaper_comes",
    "pass-if-it-would-open-a-server": "passing.opens_before_last",
    "least-loaded": "passing.emptier_comes",
    "central-by-summaries": "passing.likely_better_elsewhere",
    "central": "passing.better_elsewhere",
}
NOTATION = """In the formulas: i is cpu or memory; c(i) a node's capacity, free(i) what is free
on it and d(i) what the VM asks for; s(n) = min over i of free(i) / c(i), the share that is free of
node n's scarcer resource; S = s(node 0) + s(node 1) of a server, which stands in the place of s for
a VM that is halved over both; e the second at which the VM is foretold to leave, and r the one at
which a server's last VM is. Only slots that fit are compared; ties go to the lowest index."""


def policy_page() -> str:
    """Every rule by its name; raises `LookupError` where one has no text here."""
    from vmagent_marl.policies import about_policy, policy_names

    parts = [
        "# Heuristics",
        "What `vmagent-marl evaluate --policy NAME` plays, and `make_policy(NAME)` makes. A "
        "packing rule chooses among the slots of a cluster; a passing rule decides whether a "
        "cluster keeps a request that it could place, and packs by server best fit, or by the "
        "rule behind a plus: `cheapest-first+best-fit`.",
        NOTATION,
        "## Packing rules",
    ]
    names = policy_names()
    for name in names:
        base = name.removesuffix(USED_FIRST)
        if name in PASSING or base != name:
            continue
        parts.append(f"### {name}")
        if name == "random":
            parts.append("Each legal action, pass among them, with the same probability.")
            continue
        place, formula = PACKING[name]
        if "._" in place:  # a score's text does not tell the rule
            parts.append(f"{about_policy(name)}.")
        parts += [f"`{formula}`", _text(place)]
        if f"{name}{USED_FIRST}" in names:
            parts.append(f"`{name}{USED_FIRST}`: an empty server only where none in use fits.")
    parts.append("## Passing rules")
    for name in [name for name in names if name not in PACKING and name in PASSING]:
        place = PASSING[name]
        parts += [f"### {name}", about_policy(name).partition(": ")[2].capitalize() + "."]
        parts += [_text(place)] if place else ["It never passes what it could place."]
    parts += [
        "## Lifetime hints",
        prose(docstring(POLICIES / "nilas.py").partition("\n\n")[2]),
        "## Room for what is to come",
        prose(docstring(POLICIES / "preserving.py").partition("\n\n")[2]),
        "## Noise",
        "`make_policy(name, epsilon=0.1)` answers by a random legal action in a tenth of the "
        "cases. The probability of an action is (1 - epsilon) [it is the rule's] + epsilon / "
        "(number of legal ones), and is recorded with it.",
        "## Your own",
        "Any object with a name, what it needs, and `act` is a policy: see "
        "[bring your own policy](own-policy.md).",
        "",
    ]
    return "\n\n".join(parts)


def _text(place: str) -> str:
    module, _, function = place.partition(".")
    return prose(docstring(POLICIES / f"{module}.py", function))
