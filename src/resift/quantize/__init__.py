"""Write small, fast copies of models: int8 or bfloat16 weights, checked against full precision."""
