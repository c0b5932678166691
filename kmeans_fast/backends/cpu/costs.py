"""What things cost on the CPU: every measured constant of this backend, and the estimates made of them.

Times are nanoseconds of one core. Techniques are compared by these estimates, so their ratios matter more than they do:
another processor shifts them all. Measured with float32 data on two cores of an AMD EPYC with AVX-512 and VNNI, in
these ways, which each block names:

passes
    Single passes of one kernel over grids of rows, features and clusters, one thread, best of several. The constants
    are a fit to those times.
fits
    Whole fits from one start with a technique always on and always off, in turns (`benchmarks/choice.py` is the same
    for all of them together). The constant is where the two take about as long.
steps
    Steps of seeding one by one, on one thread and on two.
chosen
    Not measured: a round number that follows from the others, or a share of memory that seems fair.
"""

# ---- threads and sums ------------------------------------------------------------------------------------------------

# steps: a second thread costs about 2 microseconds, and 10 to 50 if it has to wake. Nanoseconds of one core.
LEAST_TASK = 10_000.0
# fits: n * k * (d + 8) below which one thread is done before a second wakes (about 40 microseconds of work).
SMALL_FIT = 2_000_000
# steps: nanoseconds for each value of the rows.
READING, HASHING, MEASURING, ENCODING = 0.3, 1.2, 1.0, 1.0
# passes: nanoseconds for each distance of a table, and for each feature of it.
TABLE_DISTANCE, TABLE_FEATURE = 1.5, 0.15
# chosen: numbers from which a step over clusters (their means, their sums) is shared out to threads.
LONG = 8192
# chosen: bytes of accumulators that threads have for themselves, beside an eighth of the data; sums beyond are shared.
PRIVATE_BYTES = 128 << 20
# chosen: the share of rows below which moving them beats adding all rows anew. A move is two additions, in no order.
FEW_MOVED = 0.3

# ---- scoring a row against every centroid ----------------------------------------------------------------------------

# passes: nanoseconds a row: FLOAT_SCORE * k * (d + 12); BYTE_SCORE * k * (d / 4 + 10) and, to find, measure and settle
# the candidates that bytes leave, BYTE_ROW + BYTE_FEATURE * d. To encode a row takes as long as to settle it.
FLOAT_SCORE, BYTE_SCORE = 0.011, 0.0117
BYTE_ROW, BYTE_FEATURE = 60.0, 0.35
# fits: by which bytes must be cheaper: their first pass costs more.
BYTE_GAIN = 1.35
# chosen: the share of tiles with too many candidates from which bytes serve no more.
TOO_MANY_OVERFULL = 0.3
# chosen: bytes of memory that codes may always take, and the share of the data that they may take beyond.
CODE_BYTES, CODE_SHARE = 64 << 20, 0.4
# passes: nanoseconds a row to look it up among sorted centroids, whatever their number.
SORTED_ROW = 19.0
# passes: clusters from which that is less than to score them all.
LEAST_SEARCHED = 128

# ---- Hamerly's bounds ------------------------------------------------------------------------------------------------

# passes: nanoseconds a row: to read and write its bounds; and if it fails, besides scoring, to measure its own distance
# and to collect it, with so much for each feature.
BOUNDS_ROW, FAILING_ROW, FAILING_FEATURE = 4.0, 35.0, 0.4
# fits: scoring a row over BOUNDS_ROW from which bounds are kept at all.
LEAST_BOUNDS_GAIN = 3.5
# fits: nanoseconds of a pass that scores every row: a shorter one is over before it is known who need not take part.
LEAST_BOUNDED_PASS = 400_000.0
# chosen: rows of a sample that tells how many would fail, to within about 2 % of the rows.
BOUNDS_SAMPLE = 2048

# ---- exponion --------------------------------------------------------------------------------------------------------

# passes: nanoseconds a row, and for each feature of it; a score, over one in tiles of rows that share all centroids.
NEAR_ROW, NEAR_FEATURE, NEAR_SCORE = 40.0, 1.1, 1.28
# passes: nanoseconds for each feature of two centroids, to find how far they are apart.
GAP_FEATURE = 0.07
# passes: centroids measured for each that has to be (the others of its panel, and those of other rows of a tile).
TOGETHER = 1.6
# passes: a row that float32 leaves open, over one that is scored.
RECHECKED_ROW = 12.0
# passes: candidates for a row from which bytes are no alternative.
MOST_CANDIDATES = 6
# fits: by which exponion must be cheaper; by which it must be dearer for a small sample to rule it out.
NEAR_GAIN, CLEARLY = 1.1, 2.0
# chosen: rows of the sample that tells. The small one is asked alone where it says clearly that it does not pay.
FEW_SAMPLED, SAMPLED = 32, 256
# passes: nanoseconds to score a row, below which what is done for a row besides takes as long.
LEAST_NEAR_SCORING = 150.0
# fits: nanoseconds of a pass that scores every row, the least that is worth the sample; and where it is the only pass.
LEAST_NEAR_PASS, LEAST_NEAR_ONCE = 5e6, 6e7
# passes: rows a cluster, below which distances between centroids cost as much as those of rows.
LEAST_ROWS_A_CLUSTER = 4
# chosen: bytes that distances between centroids and panels may always take, beside an eighth of the data.
MOST_GAPS = 64 << 20

# ---- the k-d tree ----------------------------------------------------------------------------------------------------

# passes: nanoseconds a row to sort it; in a pass over the tree; to measure a candidate, and for each feature of it.
SORTING_ROW, TREE_ROW, TREE_CANDIDATE, TREE_FEATURE = 35.0, 3.0, 0.2, 0.16
# chosen: the share of SORTING_ROW that iterations without a tree cost before it is built. With a half, building costs
# three times what is best at most, and few fits end before.
SPENT = 0.5
# fits: by which a tree must be cheaper than a pass without it: bounds are given up for it.
TREE_GAIN = 1.4
# fits, Gaussian rows, 1M and 100k of them: with 4 features up to twice faster, with 5 and more slower.
MOST_TREE_FEATURES = 4
# fits: rows, and nanoseconds of a pass without it for each, below which there is little to save.
LEAST_TREE_ROWS, LEAST_TREE_TIME = 4096, 8.0

# ---- seeding ---------------------------------------------------------------------------------------------------------

# steps: nanoseconds a row to try candidates on it (besides scoring) and to make one a seed; for a row that changes, and
# for each of its features; to find its mass.
TRIAL_ROW, ACCEPTED_ROW = 1.0, 0.1
CHANGED_ROW, CHANGED_FEATURE = 20.0, 2.0
WEIGHING_ROW = 0.6
# steps: reads of the data from which a copy of it in bytes pays; features below which the copy is as large as the data.
MANY_SEEDS, MANY_FEATURES = 32, 8

# ---- silhouettes -----------------------------------------------------------------------------------------------------

# passes: nanoseconds for a pair of rows, and for each of its features.
PAIR, PAIR_FEATURE = 0.1, 0.036
# chosen: nanoseconds after which Python can hear an interrupt.
HEARD = 2e8

# ---- several runs together -------------------------------------------------------------------------------------------

# chosen: runs in one call, and so far in the process, from which whole runs are compiled where that has not been done:
# 5 seconds, once for a machine, beside the 11 that single fits compile. A run saves 0.3 to 2 milliseconds of Python.
# Fewer are made together only where the code is there already.
MANY_RUNS, MANY_SO_FAR = 1000, 10_000
# fits: runs for each thread from which threads make whole runs, where one alone would have several threads. From there
# on, with two threads, 1.1 to 1.3 times faster, seeds by bytes or not; where bounds pay, up to 1.5 times slower.
RUNS_A_THREAD = 3
# chosen: nanoseconds of one core that a call takes at most, about, so that it can be interrupted; iterations that a run
# is expected to have.
LONGEST_CALL, EXPECTED_ITERATIONS = 3e8, 30
# chosen: float64 rows that may agree in most of their hash, as times of one day do: all are sorted for every draw.
MOST_CROWDED = 4096


def float_scoring(n_features, n_clusters):
    """To score a row against every centroid in float32."""
    return FLOAT_SCORE * n_clusters * (n_features + 12)


def byte_scoring(n_features, n_clusters):
    """To score a row against every centroid in bytes, and to settle what they leave open."""
    return BYTE_SCORE * n_clusters * (n_features / 4 + 10) + byte_row(n_features)


def byte_row(n_features):
    """To settle the candidates of a row, or to encode it."""
    return BYTE_ROW + BYTE_FEATURE * n_features


def gap_time(n_features, n_clusters):
    """To find how far all centroids are from each other."""
    return GAP_FEATURE * n_clusters * n_clusters * n_features


def near_row(n_features, n_clusters, share, n_rows):
    """To label one of the rows against a `share` of the centroids."""
    gaps = gap_time(n_features, n_clusters) / max(n_rows, 1)
    return NEAR_ROW + NEAR_FEATURE * n_features + NEAR_SCORE * share * float_scoring(n_features, n_clusters) + gaps


def most_failing(n_features, n_clusters):
    """The share of rows up to which it pays to score only those that fail their bounds."""
    plain = float_scoring(n_features, n_clusters)
    return (plain - BOUNDS_ROW) / (plain + FAILING_ROW + FAILING_FEATURE * n_features)


def row_without_tree(n_features, n_clusters):
    """To label a row in a pass without a k-d tree."""
    scoring = float_scoring(n_features, n_clusters)
    return min(scoring, SORTED_ROW) if n_features == 1 and n_clusters >= LEAST_SEARCHED else scoring


def tree_row(n_features, candidates):
    """To label a row in a pass over a k-d tree that measures `candidates` centroids for it, on average."""
    return TREE_ROW + candidates * (TREE_CANDIDATE + TREE_FEATURE * n_features)
