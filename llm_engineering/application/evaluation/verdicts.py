"""What a comparison says, in a word and in a sentence."""

from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.domain.evaluation import Comparison, Verdict


def judged(facts: Comparison, clusters: int, settings: EvaluationSettings) -> Comparison:
    """Return a comparison with its verdict and the reason. `clusters` of questions share no documents.

    better, worse: p after correction is at most 1 - confidence. same: a difference that matters would have been seen,
    and the interval leaves none open. unclear: neither, so there are not enough questions.
    """
    verdict, reason = _verdict(facts, clusters, settings)
    return facts.model_copy(update={"verdict": verdict, "reason": reason})


def _verdict(facts: Comparison, clusters: int, settings: EvaluationSettings) -> tuple[Verdict, str]:
    matters = settings.matters
    if clusters < settings.fewest:
        return "unclear", (
            f"not enough questions: {facts.questions}, about {clusters} groups of documents; a verdict needs "
            f"{settings.fewest} groups (evaluation.fewest)"
        )
    if facts.adjusted <= 1 - settings.confidence + 1e-12:
        word: Verdict = "better" if facts.difference.value > 0 else "worse"
        corrected = " after correction" if facts.adjusted != facts.p else ""
        return word, f"p = {facts.adjusted:.4f}{corrected}"
    more = f"about {facts.needed} questions would show {matters:g}, there are {facts.questions}"
    if facts.detectable > matters:
        return "unclear", f"not enough questions: only {facts.detectable:.3f} or more would have been seen; {more}"
    if facts.difference.low < -matters or facts.difference.high > matters:
        return "unclear", f"not enough questions: a difference of {matters:g} is not ruled out ({facts.difference})"
    return "same", f"a difference of {matters:g} would have been seen"
