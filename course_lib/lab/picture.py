"""Show a figure in a notebook with alt text, in JupyterLab's light and dark themes.

It's shown as an HTML image, because JupyterLab drops the alt text of a PNG. In the dark theme it
loses its white background, and its lightness is inverted; wherever styles aren't applied, it stays
on white.
"""

import base64
import html
import io

from matplotlib.figure import Figure

# Turning the hue by half after the inversion brings each color back, lighter or darker.
DARK_THEME = """<style>
[data-jp-theme-light="false"] img.course-picture {
  background: none !important; filter: invert(1) hue-rotate(180deg);
}
</style>"""


class Picture:
    """A figure that JupyterLab shows as an image, with its message as alt text."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure = figure
        self.alt = alt.replace("?.", "?").replace("\n", " ")  # after a title that's a question

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"

    def with_footer(self, text: str) -> "Picture":
        """Write small text below the figure, for a picture that travels alone; return itself."""
        self.figure.text(0.01, -0.02, text, fontsize=8, color="0.4", va="top", wrap=True)
        return self

    def png(self, *, transparent: bool = False) -> bytes:
        """Return the image as a PNG file, by default on white."""
        stream = io.BytesIO()
        color = "none" if transparent else "white"
        axes_colors = [axes.get_facecolor() for axes in self.figure.axes]
        for axes in self.figure.axes:
            axes.set_facecolor("none")
        self.figure.savefig(stream, format="png", dpi=144, facecolor=color, bbox_inches="tight")
        for axes, before in zip(self.figure.axes, axes_colors, strict=True):
            axes.set_facecolor(before)
        return stream.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png(transparent=True)).decode()
        width = int(self.figure.get_figwidth() * 96)
        alt = html.escape(self.alt, quote=True)
        style = "max-width:100%;background:white"
        source = f"data:image/png;base64,{data}"
        image = f'<img alt="{alt}" class="course-picture" width="{width}" style="{style}"'
        return f'{DARK_THEME}{image} src="{source}">'
