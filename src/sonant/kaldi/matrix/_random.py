"""The generator behind set_randn_, set_rand_uniform_, rand_categorical and orthogonalize_rows_."""

import numpy as np

generator = np.random.default_rng()
