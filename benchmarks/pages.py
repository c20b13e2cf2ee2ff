"""Fill the tables of a page from committed reports: `python -m benchmarks.pages` after a new report.

In a page stand lines such as `<!-- table benchmarks/results/small-2-cores.json rag -->` and `<!-- end -->`: what is
between them is written here, never by hand. The last word is a workload, or `peers`.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from resift.bench.tables import machine, markdown, peers_table, verdict, workload_table
from resift.cli.bench import read_report
from resift.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "speed.md",)
_BLOCK = re.compile(r"^(<!-- table (\S+) (\S+) -->\n).*?^(<!-- end -->)$", re.DOTALL | re.MULTILINE)


def filled(text: str, root: Path) -> str:
    """Return a page's text with its tables as the reports under `root` have them now."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_table(root / found[2], found[3])}\n{found[4]}", text)


def _table(file: Path, what: str) -> str:
    try:
        report = read_report(file)
    except InputError:
        return "Not measured yet."
    if what != "peers" and what not in report["workloads"]:
        raise SystemExit(f"{file} has no workload {what!r}, it has {', '.join(report['workloads'])}")
    table = peers_table(report) if what == "peers" else workload_table(report, what)
    about = " ".join(machine(report).splitlines())
    return f"\n**{table.title}** ({about}; {verdict(report)})\n\n{markdown(table)}\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the pages."""
    argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__).parse_args(arguments)
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), ROOT), encoding="utf-8")


if __name__ == "__main__":
    main()
