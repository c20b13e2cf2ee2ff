"""Fill the tables of a page from committed reports: `python -m benchmarks.pages` after a new report.

In a page stand lines such as `<!-- table benchmarks/results/small-2-cores.json rag -->` and `<!-- end -->`: what is
between them is written here, never by hand. The last word is a workload, or `peers`; of a report of `benchmarks.serve`
a scenario, `ratios` or `servers`; of a report of `benchmarks.soak` it is `soak`.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks import soak
from resift.bench.serve import tables as serve
from resift.bench.serve.report import KIND
from resift.bench.tables import machine, markdown, peers_table, verdict, workload_table
from resift.cli.bench import read_report
from resift.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "speed.md", ROOT / "docs" / "server-performance.md")
_BLOCK = re.compile(r"^(<!-- table (\S+) (\S+) -->\n).*?^(<!-- end -->)$", re.DOTALL | re.MULTILINE)


def filled(text: str, root: Path) -> str:
    """Return a page's text with its tables as the reports under `root` have them now."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_table(root / found[2], found[3])}\n{found[4]}", text)


def _table(file: Path, what: str) -> str:
    kind = json.loads(file.read_text(encoding="utf-8")).get("kind") if file.is_file() else None
    if kind == KIND:
        return _serve_table(file, what)
    if kind == soak.KIND:
        found = json.loads(file.read_text(encoding="utf-8"))
        return f"\n{markdown(soak.table(found))}\n"
    try:
        report = read_report(file)
    except InputError:
        return "Not measured yet."
    if what != "peers" and what not in report["workloads"]:
        raise SystemExit(f"{file} has no workload {what!r}, it has {', '.join(report['workloads'])}")
    table = peers_table(report) if what == "peers" else workload_table(report, what)
    about = " ".join(machine(report).splitlines())
    return f"\n**{table.title}** ({about}; {verdict(report)})\n\n{markdown(table)}\n"


def _serve_table(file: Path, what: str) -> str:
    report = json.loads(file.read_text(encoding="utf-8"))
    if what not in serve.names(report):
        raise SystemExit(f"{file} has no table {what!r}, it has {', '.join(serve.names(report))}")
    table = serve.table(report, what)
    about = " ".join(serve.about(report).splitlines())
    return f"\n**{table.title}** ({about}; {verdict(report)})\n\n{markdown(table)}\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the pages."""
    argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__).parse_args(arguments)
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), ROOT), encoding="utf-8")


if __name__ == "__main__":
    main()
