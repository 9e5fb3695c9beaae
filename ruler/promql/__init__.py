"""PromQL: parse → select → evaluate. The AST says what was written; evaluation works on arrays [steps × series]."""
