"""The results as Markdown.

What was asked for and missed, lost to a peer, or wrong is said in bold; what was not measured, with the reason.
"""

from common.report import dry_run, page, versions
from common.runs import failures
from common.supervisor import NO_TIME, TIME_UP

from . import tables
from .ours import NAME


def head(contents):
    """Which machine, when, with what."""
    device, gpu, host = contents["device"], contents["gpu"], contents["host"]
    facts = [str(device.get("name")), f"{device.get('totalGlobalMem', 0) / 2**30:.0f} GiB"]
    if "major" in device:
        runtime = device["cuda_runtime"]
        facts.append(f"compute capability {device['major']}.{device['minor']}")
        facts.append(f"{device['multiProcessorCount']} multiprocessors")
        facts.append(f"CUDA {runtime // 1000}.{runtime % 1000 // 10}")
    if gpu:
        facts.append(f"driver {gpu.get('driver_version')}")
        facts.append(f"clocks at most {gpu.get('clocks.max.sm')}, {gpu.get('clocks.max.memory')}")
        facts.append(f"power limit {gpu.get('power.limit')}")
    where = (
        f"{host.get('cpu', '?')}, {host.get('threads', '?')} threads; {host.get('os', '?')};"
        f" Python {host.get('python')}; commit {host.get('commit')}, {host.get('time')}."
    )
    missing = [name for name, number in contents["versions"].items() if not number]
    said = f"Not installed: {', '.join(missing)}." if missing else "Everything that could take part was installed."
    warning = [dry_run("on the simulator")] if contents["options"]["dry_run"] else []
    with_what = f"{versions(contents['versions'])}\n{said}"
    return page("# kmeans_fast on a GPU", *warning, ", ".join(facts) + ".", where, with_what)


def section(name, found, contents):
    """A section, measured or not."""
    title = f"## {name.capitalize()}"
    if "skipped" in found:
        return page(title, f"Not measured: {found['skipped']}.")
    took = f"{found['seconds']:.0f} s, of {found['allowance']:.0f} s it had."
    body, missing = tables.BODIES[name](found["results"], contents)
    missing = [*failures(found["results"]), *missing]
    said = ["Not measured, and why:", "\n".join(missing)] if missing else ["Not measured: nothing was left out."]
    return page(title, took, *body, *said)


def verdict(contents):
    """What failed, was missed or lost, in a few lines; and what was wrong, as a list."""
    results = [
        (name, unit, result)
        for name, one in contents["sections"].items()
        for unit, result in one.get("results", {}).items()
    ]
    wrong = [line for one in results for line in _faults(*one)]
    found = [
        line for name, _, result in results if name == "iterations" for line in tables.iteration_verdict(result)[1]
    ]
    skipped = [f"{name}: {one['skipped']}" for name, one in contents["sections"].items() if "skipped" in one]
    skipped += [f"{name}, {unit}: {result['failed']}" for name, unit, result in results if _for_want_of_time(result)]
    lines = [f"* **WRONG**: {line}." for line in wrong] or ["* Nothing wrong was seen."]
    lines += [f"* {line}." for line in found] + [f"* Not measured: {line}." for line in skipped]
    return page("## Verdict", "\n".join(lines)), wrong


def _faults(name, unit, result):
    """What is wrong in a unit's result, in words: not slow, not left out for want of time."""
    if "failed" in result:
        found = [] if _for_want_of_time(result) else [result["failed"]]
        return [f"{name}, {unit}: {reason}" for reason in found]
    ours = result.get("results", {}).get(NAME)
    found = {
        "failed": result.get("ok") is False,
        f"{result.get('labels_wrong')} wrong labels": result.get("labels_wrong"),
        f"labels not checked: {result.get('labels_unchecked')}": "labels_unchecked" in result,
        "the labels that all are compared with are not the reference's": result.get("yardstick_wrong"),
    }
    if name == "ceilings":
        found |= {f"{what}: {one['lost']} additions lost": True for what, one in result.items() if one.get("lost")}
    if ours is not None:
        found |= {
            f"kmeans_fast did not run: {ours.get('skipped')}": not {"median", "seconds", "ms", "wrong"} & set(ours),
            f"{ours.get('wrong')} wrong labels": ours.get("wrong"),
            f"phases: {ours.get('phases', {}).get('skipped')}": "skipped" in ours.get("phases", {}),
        }
    return [f"{name}, {result.get('cell', unit)}: {what}" for what, is_so in found.items() if is_so]


def _for_want_of_time(result):
    return result.get("failed", "").endswith((NO_TIME, TIME_UP))
