"""scikit-learn: MLPRegressor.partial_fit, a call for each step."""

import numpy as np
from sklearn.neural_network import MLPRegressor


def steps(workload):
    """Plain descent by one batch a call; its loss is the mean over outputs too, its gradient is not."""
    weights, x, target = workload.data()
    wanted = target.ravel() if target.shape[1] == 1 else target
    model = MLPRegressor(
        hidden_layer_sizes=workload.sizes[1:-1],
        activation="tanh",
        solver="sgd",
        alpha=0.0,
        batch_size=workload.batch,
        learning_rate_init=workload.eta,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
    )
    model.partial_fit(x, wanted)  # makes the arrays that the weights are then written into
    for k, (W, b) in enumerate(weights):
        model.coefs_[k][...], model.intercepts_[k][...] = W.T, b

    def run(n):
        """So many steps; the error of the last."""
        for _ in range(n):
            model.partial_fit(x, wanted)
        return float(model.loss_) * np.shape(target)[1]

    return run
