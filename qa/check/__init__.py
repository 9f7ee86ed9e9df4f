"""The check of an answer against the papers it cites; pure functions from texts to findings.

unknown_citation    a number in brackets that is no paper's
uncited_sentence    a sentence, list item or table row that cites nothing
unsupported_number  a number, share, factor, or name with digits that no cited abstract has
wrong_count         "five papers" where it is not five
misquote            a quotation that no cited abstract has word for word
unknown_title       a title that no paper of the corpus bears
wrong_title         a title before the number of another paper
unknown_link        an address that no cited abstract has
"""

from qa.check.findings import Finding, check_answer
from qa.citations import cited_numbers

__all__ = ["Finding", "check_answer", "cited_numbers"]
