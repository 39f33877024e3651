"""N-gram language models of glosses: estimating, reading and writing them, and their perplexity."""
