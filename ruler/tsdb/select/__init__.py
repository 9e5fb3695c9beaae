"""From leaves to blocks: the samples of a selection in a window, without a seam."""
