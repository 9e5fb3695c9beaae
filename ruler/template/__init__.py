"""Alert templates: the part of Go's text/template that alert labels and annotations use, with Prometheus's functions.

Text is parsed once and rendered under a budget; no template reaches anything but the data that it is given. Below the
stages: it knows of rules and alerts only what TemplateData holds.
"""

from ruler.template.data import TemplateData
from ruler.template.errors import TemplateError
from ruler.template.template import Template

__all__ = ["Template", "TemplateData", "TemplateError"]
