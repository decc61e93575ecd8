"""FakeSTormer's training step: the one of any method, with the memory of large networks and the released way to resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dfbench.training import MethodModule
from dfbench_fakestormer.heap import close_gaps

if TYPE_CHECKING:
    from dfbench_fakestormer.recipe import FakeSTormerRecipe


class FakeSTormerModule(MethodModule):
    """With `resume = "released"`, a training that goes on has forgotten what the released code forgets."""

    _resumed = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.recipe.compile == "none":
            close_gaps(self.net)  # type: ignore[arg-type] # of this method

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Forget the moments."""
        recipe: FakeSTormerRecipe = self.recipe  # type: ignore[assignment] # of this method's class
        if recipe.resume == "released":
            checkpoint["optimizer_states"] = []
            self._resumed = True

    def learning_rate(self, step: int) -> float:
        """The schedule's, which no longer reaches the optimiser after the released way to resume."""
        return self.recipe.lr if self._resumed else super().learning_rate(step)
