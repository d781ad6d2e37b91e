"""Tuning of the search: thousands of settings on rankings that were computed once, and a choice that noise cannot win.

`rankings` holds what the methods found as arrays, `space` the settings that are tried, `halving` the search, `choosing`
the comparison with what is in use, `calibrating` the threshold below which there is no answer.
"""

from llm_engineering.application.tuning.asking import TuningQuestion
from llm_engineering.application.tuning.calibrating import Calibration, Judged, calibrate, fit
from llm_engineering.application.tuning.choosing import Choice, choose
from llm_engineering.application.tuning.questions import tuning_questions, unanswerable
from llm_engineering.application.tuning.rankings import Asked, RankedQuestions
from llm_engineering.application.tuning.space import Setting, settings_of
from llm_engineering.application.tuning.tuner import Tuned, tune

__all__ = [
    "Asked",
    "Calibration",
    "Choice",
    "Judged",
    "RankedQuestions",
    "Setting",
    "Tuned",
    "TuningQuestion",
    "calibrate",
    "choose",
    "fit",
    "settings_of",
    "tune",
    "tuning_questions",
    "unanswerable",
]
