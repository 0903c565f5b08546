"""Whether a model prefers stereotypes, and whether training made that worse."""

from rlp_core.evaluation.bias.items import ChoiceItem
from rlp_core.evaluation.bias.scores import bias_metrics, bias_statistics
from rlp_core.evaluation.bias.suites import load_items

__all__ = ["ChoiceItem", "bias_metrics", "bias_statistics", "load_items"]
