"""The options of every subcommand. Imports nothing heavy: this module runs for ``--help``."""

import argparse
from pathlib import Path

from .. import __version__
from ..parameters import PARAMETERS
from ..preparation.defaults import FAR, MOST_LEVELS
from . import option_texts

PROGRAM = "kmeans-fast"


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, like all others of this program."""

    def error(self, message):
        self.exit(2, f"{PROGRAM}: error: {message} (see '{self.prog} --help')\n")


def make_parser():
    """The parser of the whole command line."""
    parser = _Parser(
        prog=PROGRAM,
        description="k-means: exact, fast, and the same answer on every machine and any number of threads.",
        epilog="Exit codes: 0 done, 1 failure, 2 wrong use or bad data, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_fit(commands)
    _add_predict(commands)
    _add_choose_k(commands)
    _add_report(commands)
    _add_explain(commands)
    _add_info(commands)
    _add_compile(commands)
    _add_cache(commands)
    _add_demo(commands)
    return parser


def _add_input(parser, **how):
    group = parser.add_argument_group("the file")
    group.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        **how,
        help=".npy, .parquet, .csv, .tsv, .txt, .dat or .data, one row a sample; "
        "text may be packed (.gz, .bz2, .xz); - is text on standard input",
    )
    group.add_argument(
        "--columns",
        metavar="LIST",
        help="columns to use, by name, number (from 1) or range, such as 'width,height' or '1,3-5'; default: all "
        "but an index that pandas or R wrote",
    )
    group.add_argument(
        "--header",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether the first row of a text file names the columns; auto: judged by the rows below",
    )
    group.add_argument(
        "--delimiter",
        type=option_texts.delimiter,
        metavar="C",
        help="of a text file: one character, 'tab', or 'space' for runs of blanks; default: found from the first rows",
    )
    group.add_argument(
        "--decimal", choices=(".", ","), default=".", help="decimal mark of a text file (default: a point)"
    )
    group.add_argument(
        "--encoding", type=option_texts.encoding, metavar="NAME", help="of a text file, such as latin-1; default: UTF-8"
    )
    group.add_argument(
        "--quotes",
        choices=("auto", "yes", "no"),
        default="auto",
        help="what double quotes do in a text file; auto: they enclose cells; yes: cells that may span lines, too; "
        "no: they are ordinary characters",
    )
    return group


def _add_parameters(group, *names, everywhere=False, types=None):
    """Options for the parameters of these names.

    Without names: for all that every command that computes has (`everywhere`), or else for all that only `fit` has.
    `types`: functions that read some of them, by name, in place of their rules.
    """
    for name, default, rule, _, _, flag in PARAMETERS.values():
        if flag is not None and (name in names if names else flag.everywhere == everywhere):
            how = {"dest": name, "help": flag.help, "metavar": flag.metavar, "required": flag.required}
            how["default"] = default if flag.default is None else flag.default
            read = (types or {}).get(name) or (option_texts.by_rule(rule) if flag.ruled else None)
            group.add_argument(*flag.names, type=read, **how)


def _add_computing(parser, auto_dtype="float32 stays float32, all else becomes float64"):
    group = parser.add_argument_group("the computation")
    group.add_argument("--dtype", choices=("auto", "float32", "float64"), default="auto", help=f"auto: {auto_dtype}")
    _add_parameters(group, everywhere=True)
    return group


def _add_append(group):
    group.add_argument(
        "--append",
        type=Path,
        metavar="PATH",
        help="the rows of FILE with a column 'cluster' added (and 'distance' with --distances): a file like FILE",
    )


def _add_distances(group, when_scaled):
    group.add_argument(
        "--distances",
        action="store_true",
        help=f"also give each row's distance to its centroid (in scaled units {when_scaled}): a column beside the "
        "labels, or a second file '...-distances.npy'",
    )


def _add_model(parser, **how):
    parser.add_argument("model", type=Path, metavar="MODEL", **how, help="the .npz file of 'fit' or of KMeans.save")


def _add_fit(commands):
    parser = commands.add_parser(
        "fit",
        help="cluster the rows of a file",
        description="Cluster the rows of FILE; print the clusters; write labels, centroids and a model for 'predict'.",
        epilog="If none of -o, --labels, --centroids, --model and --append is given, labels, centroids and a model are "
        "written to the current directory, called FILE-labels.npy, FILE-centroids.csv and FILE-model.npz (FILE with "
        "its ending). The result is that of kmeans_fast.KMeans(k, random_state=seed). With -k 2:20 or -k 2,4,8 the "
        "number is chosen first, as 'choose-k' does it, and the choice is printed to stderr. Once it iterates, Ctrl-C "
        "ends it after the current iteration, what has been reached is written, and the exit code is 130; Ctrl-C again "
        "stops at once, and writes nothing.",
    )
    _add_input(parser).add_argument(
        "--weights", metavar="COLUMN", help="the column (name or number) of sample weights, or a .npy file of them"
    )
    group = parser.add_argument_group("the clustering")
    _add_parameters(group, types={"n_clusters": option_texts.number_or_numbers})
    group.add_argument("--resume", action="store_true", help="go on from --checkpoint, if that file is there")
    _add_search(group)
    _add_preparation(parser)
    _add_computing(parser)
    group = parser.add_argument_group("the output")
    group.add_argument("-o", "--output", type=Path, metavar="DIR", help="write all three files into this directory")
    group.add_argument("--labels", type=option_texts.path_ending(".npy", ".csv"), metavar="PATH", help=".npy or .csv")
    group.add_argument(
        "--centroids", type=option_texts.path_ending(".npy", ".csv"), metavar="PATH", help=".npy or .csv"
    )
    group.add_argument("--model", type=option_texts.path_ending(".npz"), metavar="PATH", help=".npz, for 'predict'")
    _add_append(group)
    _add_distances(group, "with --scale")
    group.add_argument("--quiet", action="store_true", help="print no progress and no table")
    group.add_argument("--json", action="store_true", help="print a JSON summary in place of the table")


def _add_predict(commands):
    parser = commands.add_parser(
        "predict",
        help="label the rows of a file with a model",
        description="Label every row of FILE with the nearest centroid of MODEL, a file that 'fit' wrote. Columns are "
        "found by their names if both have names.",
    )
    _add_model(parser)
    _add_input(parser).add_argument(
        "--missing", choices=("drop",), help="give rows with missing cells no label, whatever the model does with them"
    )
    _add_computing(parser, "that of the model's centroids").add_argument(
        "--max-memory",
        type=option_texts.by_rule(PARAMETERS["max_memory"].rule),
        metavar="SIZE",
        help="memory to take, such as 8GB; FILE may then be larger than that, or a directory or a pattern in quotes: "
        "rows are labelled and written as they are read",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=option_texts.path_ending(".npy", ".parquet", ".csv"),
        metavar="PATH",
        help=".npy, .parquet or .csv; default: CSV on stdout",
    )
    _add_append(parser)
    _add_distances(parser, "if the model scales")
    parser.add_argument("--quiet", action="store_true", help="do not say what was read and written")


def _add_search(group):
    group.add_argument(
        "--search",
        choices=("grid", "random", "bisect"),
        default="grid",
        help="which numbers are tried: all; --trials of them at random; or some far apart, then those around the best",
    )
    group.add_argument(
        "--trials", type=option_texts.number_from(1), default=10, metavar="N",
        help="of --search random (default: %(default)s)",
    )  # fmt: skip


def _add_choose_k(commands):
    parser = commands.add_parser(
        "choose-k",
        allow_abbrev=False,  # the next command is made of the words of this one
        help="how many clusters the rows of a file have",
        description="Cluster the rows of FILE for every number of clusters in question, judge each by the elbow of the "
        "inertia, silhouette, Calinski-Harabasz and stability, and recommend the number that most are for.",
    )
    _add_input(parser)
    group = parser.add_argument_group("the choice")
    group.add_argument(
        "-k", type=option_texts.numbers, metavar="NUMBERS",
        help="2:20, 10:100:10 or 2,4,8 (default: 2:20, of few rows to one less than there are)",
    )  # fmt: skip
    _add_search(group)
    _add_parameters(group, "random_state")
    _add_preparation(parser)
    _add_computing(parser)
    group = parser.add_argument_group("the output")
    group.add_argument("--picture", type=option_texts.path_ending(".png", ".svg"), metavar="PATH", help=".png or .svg")
    group.add_argument("--quiet", action="store_true", help="print no progress, and nothing below the table")
    group.add_argument("--json", action="store_true", help="print JSON in place of the table")


def _add_report(commands):
    parser = commands.add_parser(
        "report",
        help="a whole cluster analysis on one page",
        description="Look at the columns of FILE, choose the number of clusters, cluster, and write a page of HTML "
        "with numbers, words and pictures. It needs no network. Making it needs matplotlib and Jinja2.",
    )
    _add_input(parser)
    group = parser.add_argument_group("the analysis")
    group.add_argument(
        "-k", dest="n_clusters", type=option_texts.number_or_numbers, metavar="K",
        help="number of clusters; or 2:20, 10:100:10 or 2,4,8, of which one is chosen (default: 2:20, of few rows to "
        "one less than there are)",
    )  # fmt: skip
    _add_parameters(group, "random_state")
    _add_preparation(parser)
    _add_computing(parser)
    group = parser.add_argument_group("the output")
    group.add_argument(
        "-o", "--output", type=option_texts.path_ending(".html"), default=Path("report.html"), metavar="PATH",
        help="default: report.html",
    )  # fmt: skip
    group.add_argument("--quiet", action="store_true", help="print no progress and nothing else")


def _add_preparation(parser):
    group = parser.add_argument_group("the preparation", "'fit' keeps it in the model, and 'predict' does the same.")
    group.add_argument(
        "--missing",
        choices=("drop", "median"),
        help="what to do with missing cells: leave their rows out, which get no label; or fill in the median of the "
        "column, the most frequent level of categories; default: refuse them",
    )
    group.add_argument(
        "--scale",
        choices=("none", "standard", "robust", "minmax"),
        default="none",
        help="give every column of numbers mean 0 and standard deviation 1; median 0 and interquartile range 1, which "
        "extreme values do not move; or the range 0 to 1; centroids are reported in the data's units",
    )
    group.add_argument(
        "--categories",
        metavar="auto|drop|LIST",
        help="columns of text: 'auto' gives each level a column of 0 and 1 (a text that differs in more than half of "
        "the rows is left out), 'drop' leaves them out, a list as for --columns takes these columns as categories, "
        "even of numbers; default: refuse them",
    )
    group.add_argument(
        "--max-categories",
        type=option_texts.number_from(2),
        default=MOST_LEVELS,
        metavar="N",
        help="columns that the levels of one column become, at most; the rarest, and those that are new to 'predict', "
        "share the last (default: %(default)s)",
    )
    group.add_argument(
        "--pca",
        type=option_texts.components,
        metavar="N|SHARE",
        help="cluster in so many principal components, or in as many as have this share of the variance, such as 0.95",
    )
    group.add_argument(
        "--outliers",
        type=option_texts.reach,
        default="keep",
        metavar="keep|exclude|N",
        help=f"'exclude' leaves rows out of the fit that have a value more than {FAR:g}, or N, interquartile ranges "
        "beyond the quartiles of its column; they are labelled after it, and marked (default: keep)",
    )


def _add_explain(commands):
    parser = commands.add_parser(
        "explain",
        help="what a fit would run, and the memory it takes",
        description="Say which backend would cluster the rows of FILE, or rows of a shape, with what plan and how much "
        "memory, and why not the others.",
    )
    _add_input(parser, nargs="?")
    group = parser.add_argument_group("the clustering")
    _add_parameters(group, "n_clusters", "init", "refine")
    group.add_argument("--shape", type=option_texts.shape, metavar="ROWS,COLUMNS", help="in place of FILE, prepared")
    _add_preparation(parser)
    _add_computing(parser, "that of a fit of FILE; float32 for a shape")


def _add_info(commands):
    parser = commands.add_parser(
        "info",
        help="versions, processor, backends; or what a model is",
        description="Print what a bug report should contain; or of MODEL, a file that 'fit' wrote, what it does with "
        "rows and its centroids in the data's units.",
    )
    _add_model(parser, nargs="?")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def _add_compile(commands):
    parser = commands.add_parser(
        "compile",
        help="compile the kernels ahead of the first fit",
        description="Compile kernels for this processor, on all cores, so that no fit waits for it: for the image of a "
        "container, or for all nodes of a cluster that are alike. They are kept where KMEANS_FAST_CACHE_DIR says, by "
        "default in the user's cache. What is there already is not compiled again.",
    )
    known = ", ".join(option_texts.COMPILED)
    parser.add_argument("what", nargs="*", type=option_texts.compiled, metavar="WHAT", help=f"any of {known}")
    parser.add_argument("--all", action="store_true", help="all of them; else what fits come to use by themselves")
    parser.add_argument("--quiet", action="store_true", help="print no progress")


def _add_cache(commands):
    parser = commands.add_parser(
        "cache",
        help="what is kept of compiled kernels, and how to be rid of it",
        description="Say where compiled kernels are kept, how many files that are, and how large.",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="read all files, and name those that are damaged (exit 1)")
    group.add_argument("--clear", action="store_true", help="remove all of them; they are compiled anew when needed")


def _add_demo(commands):
    parser = commands.add_parser(
        "demo",
        help="pictures and timings in a minute or two",
        description="Quantise two photographs, cluster a 2-D data set, race scikit-learn; write pictures. Or go "
        "through a whole cluster analysis, step by step, and write it as a page. Downloads nothing; needs matplotlib, "
        "and Pillow or Jinja2.",
    )
    parser.add_argument(
        "part", nargs="?", choices=("tutorial",), metavar="tutorial", help="from a table to clusters, with pictures"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("kmeans-fast-demo"), metavar="DIR", help="default: kmeans-fast-demo"
    )
    parser.add_argument("--quick", action="store_true", help="small data: a few seconds, for a try or a test")
