"""The ruler: scrape → tsdb → promql → rule → dispatch → notify, with api as the only window on the street."""

import os

# When numpy is loaded its OpenBLAS starts a thread for each processor, which spins. No matrix of floats is multiplied.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
