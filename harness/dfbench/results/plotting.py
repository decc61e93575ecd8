"""Figures of matplotlib in which text is shown as it is: a `$` begins no formula, and no text is given to LaTeX.

Both would let one odd name end every figure that it stands in, and LaTeX also reads files and can run programs.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dfbench.escaping import for_figure
from dfbench.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import LayoutEngine

_MOST_LETTERS = 4000  # of a whole text of several lines; names are shortened where they are put in
# A letter that no font here has is drawn as a box; a name is no reason for warnings.
_BOXES = (r"Glyph \d+ .* missing from", "Matplotlib currently does not support .* natively")


def new_figure(width: float, height: float, *, layout: Literal["constrained"] | LayoutEngine) -> Figure:
    """Return an empty figure of this size in inches, with a canvas of its own: pyplot would keep global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure to `path`, whose suffix says the format; all its texts are escaped first. Raises StoreError."""
    import matplotlib as mpl
    from matplotlib.text import Text

    def save(temporary: Path) -> None:
        # Also for texts that matplotlib makes while it draws, such as the labels of ticks; whatever a matplotlibrc says.
        plain = mpl.rc_context(
            {"text.parse_math": False, "text.usetex": False, "axes.formatter.use_mathtext": False}
        )
        with plain, warnings.catch_warnings():
            for words in _BOXES:
                warnings.filterwarnings("ignore", words)
            for text in figure.findobj(Text):
                text.set_parse_math(False)
                text.set_usetex(False)
                text.set_text(for_figure(text.get_text(), letters=_MOST_LETTERS, lines=True))
            figure.savefig(temporary, dpi=dpi, facecolor="white", format=path.suffix[1:])

    write_whole(path, save)
