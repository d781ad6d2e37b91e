"""Near-duplicates among the documents of an index: those that share most of their sequences of words with another one.

Documents are taken in one order: by source (as the configuration lists them), URI, record key. Each is compared with
those before it that are no near-duplicates themselves, and is one if it is alike enough to any. So the outcome depends
on the documents alone, not on when they came, and whatever is left out repeats something that is kept.
"""

from llm_engineering.application.near_duplicates.finding import EXAMPLES, Found, Memory, find
from llm_engineering.application.near_duplicates.settings import NearDuplicates
from llm_engineering.application.near_duplicates.signatures import SIGNATURES, Signatures

__all__ = ["EXAMPLES", "SIGNATURES", "Found", "Memory", "NearDuplicates", "Signatures", "find"]
