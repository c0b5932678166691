"""``kmeans-fast choose-k``: how many clusters the rows of a file have."""

import json
import math
import shlex

from ..choosing_k import choose_k
from ..whole_files import WholeFiles
from .outputs import check_writable
from .parser import PROGRAM
from .preparing import prepared
from .tables import pairs
from .watch import Watch


def run(args):
    """Run the subcommand."""
    with Watch(args.quiet) as watch:
        table = watch.read(args)
        if args.picture:
            check_writable([args.picture], [args.file])
        X = prepared(args, table, watch).X
        choice = chosen(args, X, args.k or usual_numbers(len(X)), watch)
        watch.on_phase("writing")
        if args.picture:
            draw(choice, args.picture)
    print(json.dumps(as_json(choice)) if args.json else choice)
    if not args.quiet and not args.json:
        told = [("written", str(args.picture))] if args.picture else []
        told.append(("next", _next(args, choice.n_clusters)))
        print("\n" + pairs(told))


def usual_numbers(n_samples):
    """Numbers of clusters to choose among where none are given: 2 to 20, fewer than rows if there can be."""
    return list(range(2, min(20, n_samples - 1) + 1)) or [min(2, n_samples)]


def chosen(args, X, numbers, watch):
    """The `KChoice` among numbers of clusters, with what is tried shown."""
    if numbers[-1] > len(X):
        raise ValueError(f"-k must be at most the number of rows, {len(X)}, got {numbers[-1]}")
    watch.on_phase("choosing")
    seen = []

    def told(tried):
        seen.append(tried.k)
        watch.display.phase(f"choosing k: k={tried.k} tried, {len(seen)} of at most {len(numbers)}")

    how = {"search": args.search, "n_trials": args.trials, "seed": args.random_state}
    return choose_k(X, numbers, **how, device=args.device, n_threads=args.n_threads, callback=told)


def _next(args, k):
    """The command that fits what has been chosen, with the same options for the file and the scale."""
    own = ("-k", "--search", "--trials", "--picture")  # options of this command, each with a value
    words, rest = [], iter(args.argv[1:])
    for word in rest:
        if word in own:
            next(rest)
        elif not word.startswith(tuple(f"{option}=" for option in own)):
            words.append(word)
    return shlex.join([PROGRAM, "fit", *words, "-k", str(k)])


def as_json(choice):
    """A choice as plain values; what is not defined is null."""
    table = {
        name: [None if isinstance(value, float) and math.isnan(value) else value for value in values.tolist()]
        for name, values in choice.table.items()
    }
    said = {name: getattr(choice, name) for name in ("n_clusters", "confidence", "reasons", "votes")}
    return {**said, "table": table}


def draw(choice, path):
    """Write the picture of a choice, PNG or SVG by the ending."""
    import matplotlib

    matplotlib.use("Agg")
    from ..plot import KChoiceDisplay

    figure = KChoiceDisplay(choice).plot().figure_
    with WholeFiles() as files:
        figure.savefig(files.open(path), format=path.suffix[1:].lower(), dpi=150)
