"""The retrieval methods that the benchmarks compare."""

from llm_engineering.application.retrieval import Convex, Interpolation, Retrieval, Rrf, ZScore

METHODS = {
    "dense": Retrieval(mode="dense"),
    "sparse (BM25)": Retrieval(mode="sparse"),
    "rrf, k=2": Retrieval(fusion=Rrf(k=2)),
    "rrf, k=60": Retrieval(fusion=Rrf(k=60)),
    "convex, half and half": Retrieval(fusion=Convex()),
    "zscore, 0.6 dense": Retrieval(fusion=ZScore()),
    "interpolation (the default)": Retrieval(fusion=Interpolation()),
}
