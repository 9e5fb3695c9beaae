"""The pages: static HTML and JavaScript over the API, which is all they know of the ruler."""
