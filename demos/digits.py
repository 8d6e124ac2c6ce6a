"""C16 on digits: how many a net reads right that it has not learnt, beside scikit-learn's MLPClassifier of its size.

64-64-10 nets, softmax and cross-entropy. Fixed split: patterns 0 to 1199 are learnt, the last 597 tested; mean and σ of
the pixels are those of the patterns learnt. Each library runs as it comes, and as chosen for it among CHOICES by
training patterns alone: 0 to 899 are learnt, 900 to 1199 read, and the best mean over three seeds wins.
python demos/digits.py --figure digits.png draws all seeds and what is misread.
"""

import os
import warnings
from time import process_time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy comes: these products are too small to share
import common
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.data import load_digits, standardise

options = common.options(__doc__, small="take every twelfth pattern, and two seeds")

step, SEEDS, TRIALS, V, T = (12, 2, 1, 75, 100) if options.small else (1, 20, 3, 900, 1200)
x, target = load_digits().inputs.reshape(-1, 64)[::step], load_digits().targets[::step]
RULES = (tl.Adam(0.001), tl.Adam(0.01), tl.Momentum(0.01), tl.Momentum(0.03))
CHOICES = [(f, rule, 20) for f in ("tanh", "relu") for rule in RULES]  # 20 epochs in batches of 32


def lecture(learnt, inputs, seed, f="tanh", rule="gradient_descent", epochs=100):
    """What a net trained with tl.train reads in the inputs."""
    net = tl.MLP([64, 64, 10], activation=f, rng=seed)
    history = tl.train(net, learnt, rule=rule, loss="cross_entropy", batch_size=32, epochs=epochs, rng=seed)
    if history.interrupted:
        raise KeyboardInterrupt  # Ctrl-C ended this training alone
    return np.argmax(net(inputs), axis=1)


def scikit(learnt, inputs, seed, f="relu", rule=None, epochs=200):
    """The same with scikit-learn; without a rule Adam, batches of 200, and an end before 200 epochs where E rests."""
    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore", "Stochastic Optimizer")  # told where the number of epochs ends it
    warnings.filterwarnings("error", "Training interrupted")  # told where Ctrl-C does; the next would begin
    how = {"batch_size": 32, "learning_rate_init": rule.eta, "n_iter_no_change": epochs} if rule else {}
    how |= {"solver": "sgd", "nesterovs_momentum": False} if isinstance(rule, tl.Momentum) else {}
    return MLPClassifier((64,), activation=f, max_iter=epochs, random_state=seed, **how).fit(*learnt).predict(inputs)


def run(reader, learnt, held, seed, chosen=()):
    """Accuracy in %, seconds of the processor, and what was read."""
    scale, begin = standardise(x[learnt]), process_time()
    out = reader((scale.values, target[learnt]), scale.apply(x[held]), seed, *chosen)
    return 100 * np.mean(out == target[held]), process_time() - begin, out


print(f"64-64-10: {T} digits learnt, {len(x) - T} tested; {SEEDS} seeds, median [quartiles]; seconds of one core\n")
runs = {}
for name, reader in {"tl.train": lecture, "MLPClassifier": scikit}.items():
    try:
        best = max(CHOICES, key=lambda c: np.mean([run(reader, slice(V), slice(V, T), s, c)[0] for s in range(TRIALS)]))
    except ImportError:
        print("MLPClassifier: scikit-learn is missing; install it with: python -m pip install scikit-learn")
        break
    for row, how in (f"{name}, as it comes", ()), (f"{name}, {best[0]}, {type(best[1]).__name__} {best[1].eta}", best):
        runs[row] = found = [run(reader, slice(T), slice(T, None), seed, how) for seed in range(SEEDS)]
        (low, middle, high), (quick, usual, slow) = np.quantile([r[:2] for r in found], [0.25, 0.5, 0.75], axis=0).T
        print(f"{row:36} right {middle:.1f} % [{low:.1f}-{high:.1f}]   seconds {usual:.2f} [{quick:.2f}-{slow:.2f}]")

if options.figure:
    from tinygrad_lecture.show.plots import COLOURS, figure

    fig, (axes, images) = figure(1, 2, size=(15, 6))
    for i, found in enumerate(runs.values()):
        axes.plot([r[0] for r in found], i + np.linspace(-0.3, 0.3, SEEDS), "o", color=COLOURS[i], markersize=9)
        axes.plot([np.median([r[0] for r in found])] * 2, [i - 0.4, i + 0.4], color="black")
    axes.set_yticks(range(len(runs)), [row.replace(", ", "\n", 1) for row in runs])
    axes.set(ylim=(len(runs) - 0.5, -0.5), xlabel="right on the test (%); points are seeds, lines medians")
    read = np.array([r[2] for r in runs["tl.train, as it comes"]])
    for i, t in enumerate(np.argsort(np.mean(read == target[T:], axis=0), kind="stable")[:15]):
        left, top = i % 5 * 10, i // 5 * 12
        images.imshow(x[T + t].reshape(8, 8), cmap="gray_r", extent=(left, left + 8, top + 8, top))
        images.text(left + 4, top - 1, f"{target[T + t]} as {np.bincount(read[:, t]).argmax()}", ha="center", size=14)
    images.set(xlim=(-1, 49), ylim=(33, -4), title="most misread by tl.train as it comes")
    images.set_axis_off()
    fig.savefig(options.figure)
