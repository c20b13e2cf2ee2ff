"""Measure servers side by side: in rounds, each in turn, with the engine in process between them."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from resift.bench import environment
from resift.bench.harness import Turn
from resift.bench.peers import Job
from resift.bench.process import Process
from resift.bench.serve.phase import Bench, Group, Phase, Sent
from resift.bench.serve.pool import Pool
from resift.bench.serve.processes import tree_mb
from resift.bench.serve.servers import OURS, SERVERS, Running, ServerError

SINGLE, HUNDRED, THOUSAND = "1", "100", "1000"
_MAX_LENGTH = 512
_START_SECONDS = 300.0
_BUSY_DELAY = 0.5
# An open loop of a slow server lasts longer than the others, so that something arrives.
_ARRIVALS = 20
_LONGEST_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        folder: of the model.
        embedded: whether that is the built-in model, which servers load without being told a folder.
        servers: names, see `servers.SERVERS`.
        pools: the requests; `1`, `100` and `1000` documents, and `load` for the throughput.
        load: the pool that many clients send.
        scenarios: which of `SCENARIOS`.
        threads: cores of each server.
        rounds: how often each server has its turn.
        seconds: how long a scenario sends requests.
        clients: of the closed loops.
        fractions: of the throughput of the most clients, at which requests arrive in the open loops.
        pythons: the interpreter of a server, where it is not this one.
        folders: a folder of its own, where a server needs one.
        options: more arguments of our command line.
        tell: is called with what is done next.
    """

    folder: Path
    embedded: bool
    servers: Sequence[str]
    pools: Mapping[str, Pool]
    load: str
    scenarios: Sequence[str]
    threads: int
    rounds: int = 3
    seconds: float = 3.0
    clients: Sequence[int] = (1, 8, 64)
    fractions: Sequence[float] = (0.5, 0.8)
    pythons: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    options: Sequence[str] = ()
    tell: Callable[[str], None] = lambda _: None


@dataclass
class Result:
    """What a server did.

    Attributes:
        status: `ok` or `failed`.
        message: what went wrong.
        load_seconds: until it was ready.
        resident_mb: all its processes, after the last round.
        phases: of each scenario, one a round.
        rates: requests a second of the open loops, by scenario, one a round.
    """

    status: str = "ok"
    message: str = ""
    load_seconds: float = 0.0
    resident_mb: float = 0.0
    phases: dict[str, list[Phase]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class InProcess:
    """The engine without a server.

    Attributes:
        hundred: seconds of a call with 100 documents, a list a round.
        load: seconds of a call with all pairs of the pool that many clients send, a list a round.
        turns: who else used the processor.
    """

    hundred: list[list[float]] = field(default_factory=list)
    load: list[list[float]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


@dataclass
class Measured:
    """All that a run found; the engine in process by the name of the server beside it."""

    results: dict[str, Result]
    engines: dict[str, InProcess]


def scenarios(plan: Plan) -> Iterator[tuple[str, list[Group], float | None]]:
    """Yield each scenario's name, groups, and the fraction of the throughput at which its requests arrive."""
    yield "single", [Group(name="single", pools=[SINGLE])], None
    yield "hundred", [Group(name="hundred", pools=[HUNDRED])], None
    for clients in plan.clients:
        yield f"closed-{clients}", [Group(name="load", pools=[plan.load], clients=clients)], None
    for fraction in plan.fractions:
        yield f"open-{fraction:.0%}".rstrip("%"), [Group(name="load", pools=[plan.load])], fraction
    thousand = Group(name="thousand", pools=[THOUSAND], background=True)
    yield "busy", [thousand, Group(name="single", pools=[SINGLE], delay=_BUSY_DELAY)], None
    mixed = [
        Group(name="single", pools=[SINGLE], clients=8),
        Group(name="ten", pools=["10"], clients=4),
        Group(name="hundred", pools=[HUNDRED], clients=2),
        Group(name="thousand", pools=[THOUSAND]),
    ]
    yield "mixed", mixed, None


def measure(plan: Plan) -> Measured:
    """Run the plan: every round gives every server one turn at every scenario, and our engine its own."""
    measured = Measured({name: Result() for name in plan.servers}, {})
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        engines = _engines(plan, stack)
        files = _pairs_files(plan, folder)
        scores = {name: _scores(plan, engine, files) for name, engine in engines.items()}
        measured.engines = {name: InProcess() for name in engines}
        running = dict(_started(plan, measured, folder, stack))
        benches = {name: _bench(plan, name, scores, folder) for name in running}
        for name, server in running.items():  # warm-up
            benches[name].run(server, [Group(name="warm", pools=[SINGLE, HUNDRED])], seconds=1.0)
        for turn in range(plan.rounds):
            names = list(running)
            start = turn % max(len(names), 1)
            for name in names[start:] + names[:start]:  # another server begins each round
                plan.tell(f"round {turn + 1} of {plan.rounds}: {name}")
                engine = engines.get(name)
                _take_turn(plan, measured, running[name], benches[name], engine=engine, files=files)
        for name, server in running.items():
            measured.results[name].resident_mb = tree_mb(server.process.pid)
    return measured


def _engines(plan: Plan, stack: ExitStack) -> dict[str, Process]:
    """Start our engine in a process of its own for each of our servers."""
    found = {}
    for name in plan.servers:
        if name.startswith(OURS):
            plan.tell(f"in process: {name}")
            folder = plan.folders.get(name, plan.folder)
            found[name] = stack.enter_context(Process(name, Job(folder, plan.threads, _MAX_LENGTH)))
            found[name].ask(do="load")
    return found


def _pairs_files(plan: Plan, folder: Path) -> dict[str, Path]:
    """Write the pairs of each pool, and those of one request of 100, for the engine in process."""
    files = {name: folder / f"pool-{name}.json" for name in plan.pools}
    for name, file in files.items():
        pairs = [pair for request in plan.pools[name].requests for pair in request.pairs]
        file.write_text(json.dumps(pairs), encoding="utf-8")
    files["hundred"] = folder / "hundred.json"
    files["hundred"].write_text(json.dumps(plan.pools[HUNDRED].requests[0].pairs), encoding="utf-8")
    return files


def _scores(plan: Plan, engine: Process, files: Mapping[str, Path]) -> dict[str, list[list[float]]]:
    """Score every pair of every pool once, in process."""
    found = {}
    for name, pool in plan.pools.items():
        plan.tell(f"scores to compare with: {name} documents")
        scores = engine.ask(do="score", pairs=str(files[name]), seconds=0.0, calls=1)["scores"]
        count = len(scores) // len(pool.requests)
        found[name] = [scores[i : i + count] for i in range(0, len(scores), count)]
    return found


def _bench(plan: Plan, name: str, scores: Mapping[str, Mapping[str, list[list[float]]]], folder: Path) -> Bench:
    """Return what sends requests to a server.

    Its scores are compared with those of our engine at the same precision; where it does not run at that one, they
    are only looked at.
    """
    same = f"{OURS}-{SERVERS[name].precision}"
    tolerance = SERVERS[name].tolerance if same in scores else None
    expected = scores[same] if same in scores else next(iter(scores.values()))
    return Bench(plan.pools, expected, tolerance=tolerance, folder=folder)


def _started(plan: Plan, measured: Measured, folder: Path, stack: ExitStack) -> Iterator[tuple[str, Running]]:
    """Start all servers; the ones that fail are reported."""
    for name in plan.servers:
        ours = name.startswith(OURS)
        plan.tell(f"starting: {name}")
        server = stack.enter_context(
            Running(
                name,
                None if ours and plan.embedded else plan.folders.get(name, plan.folder),
                threads=plan.threads,
                log=folder / f"{name}.log",
                python=plan.pythons.get(name),
                options=plan.options if ours else (),
            )
        )
        try:
            measured.results[name].load_seconds = server.wait(_START_SECONDS)
        except ServerError as error:
            measured.results[name].status, measured.results[name].message = "failed", str(error)
            plan.tell(f"failed: {error}")
            continue
        yield name, server


def _take_turn(
    plan: Plan, measured: Measured, server: Running, bench: Bench, *, engine: Process | None, files: Mapping[str, Path]
) -> None:
    """Let one server go through all scenarios, its engine in process beside those that are compared with it."""
    result = measured.results[server.name]
    most = f"closed-{max(plan.clients)}"
    for name, fixed, fraction in scenarios(plan):
        groups = fixed
        if name not in plan.scenarios:
            continue
        if engine is not None and name == "hundred":
            own = measured.engines[server.name]
            own.hundred.append(_call(engine, files["hundred"], plan.seconds, own))
        seconds = plan.seconds
        if fraction is not None:
            rate = fraction * throughput(result.phases[most][-1].groups["load"])[0]
            result.rates.setdefault(name, []).append(rate)
            groups = [Group(name="load", pools=[plan.load], rate=rate)]
            seconds = max(seconds, min(_ARRIVALS / max(rate, 1e-9), _LONGEST_SECONDS))
        plan.tell(f"  {name}")
        result.phases.setdefault(name, []).append(bench.run(server, groups, seconds=seconds))
        if engine is not None and name == most:
            own = measured.engines[server.name]
            own.load.append(_call(engine, files[plan.load], plan.seconds, own))


def _call(engine: Process, file: Path, seconds: float, own: InProcess) -> list[float]:
    answer = engine.ask(do="score", pairs=str(file), seconds=seconds, calls=10_000)
    own.turns.append(Turn([sum(answer["seconds"])], answer["foreign"], answer["steal"]))
    return [float(value) for value in answer["seconds"]]


def throughput(sent: Sent) -> tuple[float, float, float]:
    """Return requests, pairs and tokens a second of what was answered."""
    wall = max(sent.wall, 1e-9)
    return len(sent.seconds) / wall, sent.pairs / wall, sent.tokens / wall


def versions(name: str, python: str | None) -> Mapping[str, str | None]:
    """Return the versions of a server's packages, asked of its own interpreter."""
    return _asked_versions(SERVERS[name].packages, python)


def _asked_versions(packages: Sequence[str], python: str | None) -> Mapping[str, str | None]:
    if python is None:
        return environment.versions(tuple(packages))
    code = "import importlib.metadata as m, sys, json; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
    done = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=False)
    found: dict[str, str | None] = json.loads(done.stdout) if done.returncode == 0 else dict.fromkeys(packages)
    return found


def middle(values: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return median(values) if values else None
