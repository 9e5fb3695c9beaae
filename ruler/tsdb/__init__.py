"""The ring-buffer time series database: pages of rows and columns, written once, and labels as columns of codes."""
