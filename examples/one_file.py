"""LightGCN in one file: MovieLens in, NDCG@20 out, in under a minute.

    dvc repro download            # the files of MovieLens, in data/raw
    python examples/one_file.py   # or the folder of another data set, in any layout that the library reads

This is the graph part of the model alone: no ratings on the edges, no Gaussian processes, no early stopping. Its data,
split, loss and metric are the library's, so that its figure is comparable with `dvc metrics show`.
"""

import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from movierec.utils.errors import UserError  # the library before torch: it sets how torch's threads wait

os.environ.setdefault("DGLBACKEND", "pytorch")

import dgl
import dgl.function as fn
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from movierec.data.cleaning import clean
from movierec.data.engine import Engine
from movierec.data.layouts import read_folder
from movierec.data.positives import Positives
from movierec.data.splitting import Splitter, Strategy
from movierec.interactions.matrix import Split, to_csr
from movierec.model.lightgcn import spectral_embeddings
from movierec.model.softmax import softmax_loss
from movierec.ranking.topk import DotScorer, evaluate

SEED, DIM, N_LAYERS, TEMPERATURE = 1, 64, 2, 0.17
EPOCHS, BATCH_SIZE, LR = 20, 1024, 0.015


def load(folder: Path, min_rating: float = 3) -> Split:
    """The train, validation and test sets, each a sparse matrix (n_users, n_items): 1 where a user likes a movie."""
    with tempfile.TemporaryDirectory() as scratch, closing(Engine(Path(scratch, "engine"))) as engine:
        clean(read_folder(folder), max_rejected=0.01, folder=Path(scratch))
        positives = Positives(engine, Path(scratch, "ratings.parquet"), min_rating, k_core=1)
        table = pd.concat(positives.batches(in_time=False), ignore_index=True)
    shape = len(positives.user_ids), len(positives.item_ids)
    strategy = Strategy("random", valid_fraction=0.1, test_fraction=0.2)
    part = Splitter(strategy, SEED, positives.time_at, len(table)).parts(table)
    return Split(*(to_csr(table[part == number], *shape) for number in range(3)))


class LightGCN(torch.nn.Module):
    """Embeddings that are propagated over the graph of users and items (He et al., SIGIR 2020).

    h(l+1) = D^-1/2 A D^-1/2 h(l)      (eq. 3)
    h = mean of h(0) ... h(L)          (eq. 4)
    """

    def __init__(self, train):
        super().__init__()
        self.shape = n_users, n_items = train.shape
        users, items = train.nonzero()
        # Node u is user u, node n_users + i is item i; each interaction is an edge in both directions.
        source, target = np.concatenate([users, items + n_users]), np.concatenate([items + n_users, users])
        self.graph = dgl.graph((source, target), num_nodes=n_users + n_items)
        self.scale = self.graph.in_degrees().float().clamp(min=1).rsqrt().unsqueeze(1)  # D^-1/2, (n_nodes, 1)
        self.embedding = torch.nn.Parameter(torch.cat(spectral_embeddings(train, DIM, SEED)))  # (n_nodes, dim)

    def propagate(self, h):
        """One layer, (n_nodes, dim) to (n_nodes, dim): each node sums the messages of its neighbours."""
        with self.graph.local_scope():
            self.graph.ndata["message"] = h * self.scale
            self.graph.update_all(fn.copy_u("message", "m"), fn.sum("m", "sum"))
            return self.graph.ndata["sum"] * self.scale

    def forward(self):
        """Unit vectors, whose dot products are the scores: users (n_users, dim), items (n_items, dim)."""
        layers = [self.embedding]
        for _ in range(N_LAYERS):
            layers.append(self.propagate(layers[-1]))
        return F.normalize(torch.stack(layers).mean(dim=0)).split(self.shape)


def main(folder: Path) -> float:
    """Train, and print NDCG@20 on validation after each epoch, and on test at the end."""
    train, valid, test = load(folder)
    print(f"{train.shape[0]:,} users, {train.shape[1]:,} movies, {train.nnz:,} interactions to train on")
    torch.manual_seed(SEED)
    model = LightGCN(train)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for epoch in range(EPOCHS):
        began, losses = time.perf_counter(), []
        for users in torch.randperm(train.shape[0]).split(BATCH_SIZE):
            h_user, h_item = model()
            liked = train[users.numpy()]  # (n, n_items)
            loss = softmax_loss(h_user[users] / TEMPERATURE, h_item, liked, torch.ones(len(users)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        with torch.no_grad():
            scorer = DotScorer(*model())
        ndcg = evaluate(scorer, history=train, seen=train, relevant=valid, cutoffs=[20])["ndcg@20"]
        took = time.perf_counter() - began
        print(f"epoch {epoch + 1:2}  loss {np.mean(losses):.4f}  validation NDCG@20 {ndcg:.4f}  {took:.1f} s")
    ndcg = evaluate(scorer, history=train, seen=train + valid, relevant=test, cutoffs=[20])["ndcg@20"]
    print(f"test NDCG@20 {ndcg:.4f}")
    return ndcg


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/raw"))
    except UserError as error:
        sys.exit(f"one_file: {error}")
