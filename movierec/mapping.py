"""Movies in two dimensions."""

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

PERPLEXITY, STEPS = 30, 500


def places_on_map(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton 2008) with cosine distances, from PCA's first two components.

    Args:
        vectors: (n, dim) float32.
        seed: of what is left to chance.

    Returns:
        (n, 2) float32; for fewer than five, which have no neighbours to speak of, their first two numbers.
    """
    if len(vectors) < 5:
        return np.pad(vectors, ((0, 0), (0, 2)))[:, :2]
    start = "pca" if min(vectors.shape) > 2 else "random"
    with threadpool_limits(1):  # so that the bits do not depend on their number
        tsne = TSNE(2, init=start, metric="cosine", perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3), max_iter=STEPS, random_state=seed, n_jobs=1)
        return tsne.fit_transform(vectors)
