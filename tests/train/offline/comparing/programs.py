"""Programs as a user might bring them, that train nothing and so take no time."""

from __future__ import annotations

from pathlib import Path

from vmagent_marl.policies.checkpoint import save_policy
from vmagent_marl.policies.network_policy import Training
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim.layout import layout_of

OWN = """\
\"\"\"Mine: what it reaches on validation is told by its options.\"\"\"
import argparse, os, shutil, time
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("dataset", "device", "compare"):
    parser.add_argument(f"--{name}", required=True)
for name in ("steps", "seed", "validate-every", "validation-episodes"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--gain", type=float, default=1.0)
parser.add_argument("--until")
parser.add_argument("--fails-on", type=int)
args = parser.parse_args()
assert args.compare == "no"
with (args.out / "tries.txt").open("a") as tries:
    tries.write(f"{os.getpid()}\\n")
while args.until and not Path(args.until.format(seed=args.seed)).exists():
    time.sleep(0.05)
if args.seed == args.fails_on:
    print("thinking")
    raise ValueError("too hard")
rows = [(step, args.gain * (10 * args.seed + step)) for step in (args.steps // 2, args.steps)]
lines = [f"{step},{value}\\n" for step, value in rows]
(args.out / "curve.csv").write_text("step,mean_return\\n" + "".join(lines))
shutil.copy(Path(__file__).with_name("like.pt"), args.out / "policy.pt")
"""


def write_own(folder: Path, scenario: Scenario, name: str = "mine.py") -> Path:
    """A program that ends with a network that has learned nothing."""
    layout = layout_of(scenario.rules())
    training = Training(
        algorithm="nothing",
        scenario=scenario.as_dict(),
        clusters=layout.clusters,
        servers=layout.servers,
        summaries=layout.summaries,
        hints=layout.hints,
    )
    save_policy(folder / "like.pt", new_network(network_shape(layout, hidden=(4,))), training)
    (folder / name).write_text(OWN, encoding="utf-8")
    return folder / name


def tries(folder: Path) -> int:
    """How often a cell was begun."""
    file = folder / "tries.txt"
    return len(file.read_text().splitlines()) if file.is_file() else 0
