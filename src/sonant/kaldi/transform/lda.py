"""Linear discriminant analysis (PyKaldi's `kaldi.transform.lda`)."""

from typing import Any

import numpy as np

from sonant.errors import FeatureError
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.transform._affine import square, triangle
from sonant.kaldi.util.options import Options, option

__all__ = ["LdaEstimate", "LdaEstimateOptions"]


class LdaEstimateOptions(Options):
    remove_offset: bool = option(
        False, "remove-offset", "Output an affine transform that makes the mean of projected data zero"
    )
    dim: int = option(40, "dim", "Dimension to project to")
    allow_large_dim: bool = option(
        False, "allow-large-dim", "Allow a dimension that is not below the number of classes"
    )
    within_class_factor: float = option(
        1.0,
        "within-class-factor",
        "Below 1: scales dimensions down in which classes hardly differ (deprecated)",
    )


class LdaEstimate:
    """Accumulates features by class, and projects to where the classes differ most.

    In the projected space the within-class covariance is the identity, and dimensions come in the order of
    their between-class variance. The sign of a row is arbitrary.
    """

    def __init__(self) -> None:
        self.init(0, 0)

    def init(self, num_classes: int, dimension: int) -> None:
        """Zeros, for features of `dimension` columns."""
        self._counts = np.zeros(num_classes)
        self._sums = np.zeros((num_classes, dimension))
        self._second = np.zeros((dimension, dimension))

    def zero_accumulators(self) -> None:
        self.init(*self._sums.shape)

    def num_classes(self) -> int:
        return len(self._counts)

    def dim(self) -> int:
        return self._sums.shape[1]

    def tot_count(self) -> float:
        """The number of frames, or their total weight."""
        return float(self._counts.sum())

    def scale(self, f: float) -> None:
        """Multiplies all statistics."""
        self._counts *= f
        self._sums *= f
        self._second *= f

    def accumulate(self, data: Any, class_id: Any, weight: Any = 1.0) -> None:
        """Adds a frame (dim,) of a class; or frames (n, dim), with a class and weight for all, or each."""
        rows = np.atleast_2d(np.asarray(data, np.float64))
        if rows.ndim != 2 or rows.shape[1] != self.dim():
            raise FeatureError(f"data: array of shape {np.shape(data)}; expected ({self.dim()},)")
        classes = np.broadcast_to(np.asarray(class_id), len(rows))
        weights = np.broadcast_to(np.asarray(weight, np.float64), len(rows))
        if len(rows) and not 0 <= classes.min() <= classes.max() < self.num_classes():
            raise FeatureError(f"class_id={class_id}; expected 0 to {self.num_classes() - 1}")
        if not (np.isfinite(rows).all() and np.isfinite(weights).all()):
            raise FeatureError("data or weights that are not finite; expected numbers")
        weighted = weights[:, np.newaxis] * rows
        np.add.at(self._counts, classes, weights)
        np.add.at(self._sums, classes, weighted)
        self._second += weighted.T @ rows

    def estimate(self, opts: LdaEstimateOptions, M: Matrix, Mfull: Matrix | None = None) -> None:
        """Makes `M` the projection (opts.dim, dim), with a column more with remove_offset.

        Mfull, where it is given, becomes the whole transform (dim, dim), or (dim, dim + 1).
        Raises FeatureError for a dimension that the statistics do not allow, and for statistics of which the
        within-class covariance is singular.
        """
        dim, count = self.dim(), self.tot_count()
        largest = dim if opts.allow_large_dim else min(dim, self.num_classes() - 1)
        if not 0 < opts.dim <= largest:
            raise FeatureError(
                f"dim={opts.dim} for features of {dim} columns in {self.num_classes()} classes; "
                f"expected 1 to {largest}"
            )
        if not count > 0:
            raise FeatureError("LDA without frames; expected accumulate(...) before")
        mean = self._sums.sum(0) / count
        between = self._class_scatter() / count - np.outer(mean, mean)
        within = self._second / count - self._class_scatter() / count
        whitening = np.linalg.inv(_cholesky(within))
        values, vectors = np.linalg.eigh(whitening @ between @ whitening.T)
        order = np.argsort(-values)
        transform = vectors[:, order].T @ whitening
        factor = opts.within_class_factor
        transform *= np.sqrt((factor + values[order]) / (1 + values[order]))[:, np.newaxis]
        if opts.remove_offset:
            transform = np.column_stack((transform, -transform @ mean))
        for target, rows in (M, opts.dim), (Mfull, dim):
            if target is not None:
                target.resize_(rows, transform.shape[1])
                target.numpy()[:] = transform[:rows]

    def _class_scatter(self) -> np.ndarray:
        """The sum over classes of count * mean mean'."""
        seen = self._counts > 0
        return self._sums[seen].T @ (self._sums[seen] / self._counts[seen, np.newaxis])

    def write(self, os: Any, binary: bool) -> None:
        """Writes the statistics to an Output, in single precision, as Kaldi does."""
        os.token(binary, "<LDAACCS>")
        os.token(binary, "<VECSIZE>")
        os.integer(binary, self.dim())
        os.token(binary, "<NUMCLASSES>")
        os.integer(binary, self.num_classes())
        os.token(binary, "<ZERO_ACCS>")
        os.vector(binary, self._counts.astype(np.float32))
        os.token(binary, "<FIRST_ACCS>")
        os.matrix(binary, self._sums.astype(np.float32))
        # Less the classes' means, so that no digits are lost where these are large.
        os.token(binary, "<SECOND_ACCS>")
        os.packed(binary, triangle(self._second - self._class_scatter()).astype(np.float32))
        os.token(binary, "</LDAACCS>")

    def read(self, is_: Any, binary: bool, add: bool = False) -> None:
        """Reads statistics from an Input, or adds them to these. Raises ArkError for anything else."""
        read = LdaEstimate()
        is_.expect(binary, "<LDAACCS>")
        is_.expect(binary, "<VECSIZE>")
        dim = is_.integer(binary)
        is_.expect(binary, "<NUMCLASSES>")
        classes = is_.integer(binary)
        is_.expect(binary, "<ZERO_ACCS>")
        read._counts = is_.vector(binary, "float64")
        is_.expect(binary, "<FIRST_ACCS>")
        read._sums = is_.matrix(binary, "float64")
        is_.expect(binary, "<SECOND_ACCS>")
        second = square(is_.packed(binary, "float64"))
        is_.expect(binary, "</LDAACCS>")
        shapes = read._counts.shape, read._sums.shape, second.shape
        if shapes != ((classes,), (classes, dim), (dim, dim)):
            is_.error(
                f"LDA statistics of shapes {shapes}; expected those of {classes} classes and {dim} columns"
            )
        read._second = second + read._class_scatter()
        if add and self.dim():
            if self._sums.shape != read._sums.shape:
                is_.error(
                    f"LDA statistics {read._sums.shape}; expected (classes, dim) {self._sums.shape} to add to"
                )
            self._counts += read._counts
            self._sums += read._sums
            self._second += read._second
        else:
            self._counts, self._sums, self._second = read._counts, read._sums, read._second


def _cholesky(covariance: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        pass
    # Kaldi's mend for a covariance that rounding has made indefinite.
    smooth = 1e-3 * np.trace(covariance) / len(covariance)
    scale = np.abs(covariance).max()
    try:
        if not smooth > np.finfo(np.float32).eps * scale:
            raise np.linalg.LinAlgError
        return np.linalg.cholesky(covariance + smooth * np.eye(len(covariance)))
    except np.linalg.LinAlgError:
        raise FeatureError(
            "LDA: the covariance within classes is singular; expected more frames, that differ in each class"
        ) from None
