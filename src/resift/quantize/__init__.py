"""Write small, fast copies of models: int8 or bfloat16 weights, checked against full precision."""

from resift.quantize.report import Report
from resift.quantize.run import Options, quantize
from resift.quantize.verify import Comparison, JudgedPair, Tolerance

__all__ = ["Comparison", "JudgedPair", "Options", "Report", "Tolerance", "quantize"]
