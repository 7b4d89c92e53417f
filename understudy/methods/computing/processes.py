"""Learning in several processes, each with its part of every batch, as `accelerate launch` or torchrun
starts them.

The first process alone has the run's folder; the others follow it in a copy of their own that is thrown away.
All draw the same random numbers for the whole batch and take their own rows of it, so that the sum of their
gradients is the gradient that one process has, but for the rounding of sums in another order.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import PartialState
from torch import Tensor, distributed, nn

from understudy.domain import UserError
from understudy.launched import count_launched
from understudy.recipes import Finetune, Recipe
from understudy.runs import Checkpoint, Run

COPIED = ("recipe.toml", "run.json", "examples.safetensors", "checkpoints")
"""What a follower needs of the run's folder to begin, or to go on, as the first process does."""
LONGEST_WAIT = timedelta(hours=24)
"""Of those that follow, while the first draws class pictures, reviews, or does other work between runs."""


class Released(Exception):
    """The first process has ended the work before its last step."""


@dataclass(frozen=True)
class Processes:
    """This process among those that learn together; `number` 0 is the first of `count`."""

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it has the run's folder, the log and the listener."""
        return self.number == 0

    def rows(self, batch: int) -> slice:
        """Which of a batch's examples this process computes."""
        return slice(self.number, batch, self.count)

    def add_up(self, weights: Sequence[nn.Parameter], figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sum gradients, and figures for the log, over all processes.

        Raises `Released` in those that follow where the first has ended.
        """
        if self.count == 1:
            return dict(figures)
        device = weights[0].device
        parts = [_gradient(weight) for weight in weights] + [one.reshape(1) for one in figures.values()]
        whole = torch.cat([part.to(device, torch.float32).flatten() for part in parts])
        whole = torch.cat([whole, torch.zeros(1, device=device)])
        distributed.all_reduce(whole)
        sizes = [*(weight.numel() for weight in weights), len(figures), 1]
        *sums, told, is_over = torch.split(whole, sizes)
        if not self.is_first and is_over.item() > 0:
            raise Released
        for weight, total in zip(weights, sums, strict=True):
            if weight.grad is not None:
                weight.grad.copy_(total.view_as(weight.grad))
        return dict(zip(figures, told, strict=True))

    def meet(self, device: str, is_over: bool = False) -> None:
        """Of all before a step in whose middle they wait for each other, and could hear nothing.

        Raises `Released` in those that follow where the first says that it is over.
        """
        if self.count > 1:
            over = torch.tensor(float(is_over), device=device)
            distributed.all_reduce(over)
            if not self.is_first and over.item() > 0:
                raise Released

    def release(self, weights: Sequence[nn.Parameter], num_figures: int) -> None:
        """Of the first, where it ends early: tell the others in the place of the next sum."""
        if self.count > 1 and self.is_first:
            whole = torch.zeros(sum(weight.numel() for weight in weights) + num_figures + 1)
            whole[-1] = 1
            distributed.all_reduce(whole.to(weights[0].device))

    def tell(self, is_ready: bool) -> None:
        """Of the first: whether there is anything to learn, so that the others may begin, or go."""
        if self.count > 1 and self.is_first:
            distributed.broadcast_object_list([is_ready])

    def hear(self) -> bool:
        """Of the others: wait for what the first tells."""
        told: list[bool | None] = [None]
        distributed.broadcast_object_list(told)
        return bool(told[0])


ALONE = Processes()


def find_processes() -> Processes:
    """The processes that learn together now."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Processes()
    return Processes(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def joining(recipe: Recipe, device: str) -> Iterator[Processes]:
    """Within, all processes that were started together can sum what they have.

    They are joined for as long as they live, since what a process has left it cannot join again. Raises
    `UserError` for a method, or a batch, that cannot be shared.
    """
    count = count_launched()
    if count == 1:
        yield Processes()
        return
    if not isinstance(recipe, Finetune):
        raise UserError(f"The method {recipe.method} learns in one process: leave accelerate launch out.")
    if recipe.batch < count:
        raise UserError(f"A batch of {recipe.batch} leaves some of {count} processes idle: raise --batch.")
    yield _join(device)


def refuse_several(work: str) -> None:
    """Raise `UserError` in processes that were started together, which share one run and no other work."""
    if count_launched() > 1:
        raise UserError(f"{work} in one process: leave accelerate launch out.")


def _join(device: str) -> Processes:
    if not distributed.is_initialized():
        is_on_cpu = device == "cpu" or not torch.cuda.is_available()
        state = PartialState(cpu=is_on_cpu, timeout=LONGEST_WAIT)
        atexit.register(state.destroy_process_group)
        if state.device.type == "cuda":
            torch.cuda.set_device(state.device)
    return find_processes()


@dataclass(frozen=True)
class FollowingRun(Run):
    """The copy of a run from which a process that follows begins, and in which it keeps nothing."""

    keeps = False

    def save(self, step: int, write: Callable[[Path], None], keep: bool) -> Checkpoint:
        """Write nothing: the first process does, the same."""
        return Checkpoint(self.folder, step, {}, keep)


@contextmanager
def copied(run: Path) -> Iterator[FollowingRun]:
    """The run of a process that follows: a copy in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            source, target = run / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, target)
            elif source.exists():
                shutil.copy(source, target)
        yield FollowingRun(Path(folder))


def _gradient(weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad
