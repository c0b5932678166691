"""SVG pictures become part of the page, so that they are light or dark as the page is.

Such a picture has an ``id`` by which its styles are limited to it, and colours for ``html[data-theme="dark"]`` beside
those for the reader's system.
"""

import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class InlineSvg(SphinxPostTransform):
    default_priority = 5
    formats = ("html",)

    def run(self, **kwargs):
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.env.srcdir, image["uri"])
            if path.suffix != ".svg" or " id=" not in path.read_text(encoding="utf-8")[:400]:
                continue
            svg = path.read_text(encoding="utf-8")
            before, _, after = re.split(r'(aria-label="[^"]*")', svg, maxsplit=1)
            svg = f'{before}aria-label="{html.escape(image.get("alt") or "", quote=True)}"{after}'
            image.replace_self(nodes.raw("", f'<figure class="picture" tabindex="0">{svg}</figure>', format="html"))


def setup(app):
    app.add_post_transform(InlineSvg)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
