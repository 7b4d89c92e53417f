"""What all trainings of the embedded weights share: keyed randomness, state on disk, averaged weights.

Step `s` of seed `k` draws the same data and noise on any device and after any interruption.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

LOOKED_AT = 5
"""Which step, from where a training begins, is asked whether all of the model learns: layers that begin as
zeros have let gradients through by then."""


def keyed(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one training step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def autocast(device: str, half: bool) -> torch.autocast:
    """Products in bfloat16, where `half`; sums, norms and weights stay fp32."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half)


class AveragedWeights:
    """An exponential average whose memory is a fixed share of the training so far, about 1 / (1 + span).

    A power-law profile (Karras et al. 2024, EDM2, section 3): it forgets the start, however short the run.
    """

    def __init__(self, model: nn.Module, span: float = 8.0) -> None:
        self.span = span
        self.tensors = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, every: int) -> None:
        """Fold the model's weights of step `step` in; called once in `every` steps."""
        weight = min(1.0, every * (1 + self.span) / (step + 1))
        for name, parameter in model.named_parameters():
            self.tensors[name].lerp_(parameter.detach(), weight)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Write the averages into a model."""
        for name, parameter in model.named_parameters():
            parameter.copy_(self.tensors[name])


class State:
    """A training's folder: `model`, `average` and `optimiser` as safetensors, `state.json`, `log.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def log(self, record: Mapping[str, object]) -> None:
        """Append one line of figures."""
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")

    def save(
        self,
        step: int,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        average: AveragedWeights | None,
        seconds: float,
    ) -> None:
        """Write a checkpoint that replaces the last one in one move."""
        fresh = self.folder / f"step-{step}"
        fresh.mkdir(exist_ok=True)
        save_file(_contiguous(model.state_dict().items()), fresh / "model.safetensors")
        if average is not None:
            save_file(_contiguous(average.tensors.items()), fresh / "average.safetensors")
        save_file(optimiser_tensors(optimiser), fresh / "optimiser.safetensors")
        pointer = self.folder / "state.json.part"
        pointer.write_text(json.dumps({"step": step, "checkpoint": fresh.name, "seconds": seconds}))
        pointer.replace(self.folder / "state.json")
        for old in self.folder.glob("step-*"):
            if old != fresh:
                for file in old.iterdir():
                    file.unlink()
                old.rmdir()

    def load(
        self, model: nn.Module, optimiser: torch.optim.Optimizer, average: AveragedWeights | None
    ) -> tuple[int, float]:
        """Go on from the checkpoint, if there is one; returns the steps done and the seconds spent."""
        if not (self.folder / "state.json").exists():
            return 0, 0.0
        state = json.loads((self.folder / "state.json").read_text())
        folder = self.folder / state["checkpoint"]
        model.load_state_dict(load_file(folder / "model.safetensors"))
        if average is not None:
            average.tensors = load_file(folder / "average.safetensors")
        restore_optimiser(optimiser, load_file(folder / "optimiser.safetensors"))
        self._rewind_log(int(state["step"]))
        return int(state["step"]), float(state["seconds"])

    def _rewind_log(self, step: int) -> None:
        """Forget what was logged after the checkpoint: it will be done and logged again."""
        path = self.folder / "log.jsonl"
        if path.exists():
            lines = [
                line for line in path.read_text().splitlines() if json.loads(line).get("step", 0) <= step
            ]
            path.write_text("".join(f"{line}\n" for line in lines))


def _contiguous(items: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in items}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as named tensors, for safetensors."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value).contiguous()
        for index, values in state.items()
        for name, value in values.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimiser_tensors`."""
    whole = optimiser.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    whole["state"] = state
    optimiser.load_state_dict(whole)


def refuse_idle(model: nn.Module) -> None:
    """Raise `RuntimeError` where a matrix got no gradient: a wrong backward pass is seen by nothing else."""
    idle = [
        name
        for name, weight in model.named_parameters()
        if weight.requires_grad and weight.ndim > 1 and (weight.grad is None or not weight.grad.any())
    ]
    if idle:
        raise RuntimeError(f"No gradient reaches {idle[0]} and {len(idle) - 1} more matrices.")


def train(
    folder: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_of: Callable[[int], tuple[Tensor, dict[str, float]]],
    rate_of: Callable[[int], float],
    num_steps: int,
    *,
    average: AveragedWeights | None = None,
    average_every: int = 4,
    log_every: int = 50,
    save_every_s: float = 120.0,
    check: Callable[[int], dict[str, float]] | None = None,
    check_every: int = 2000,
) -> None:
    """Run the loop up to `num_steps`, from where the folder's state is.

    `loss_of(step)` gives the loss and figures for the log; `check(step)` is called now and then on the
    averaged weights' holder, e.g. to draw samples. Raises `RuntimeError` where part of the model learns
    nothing.
    """
    state = State(folder)
    done, before = state.load(model, optimiser, average)
    started = saved = time.monotonic()
    for step in range(done, num_steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_of(step)
        loss, figures = loss_of(step)
        torch.autograd.backward(loss)
        if step == done + LOOKED_AT:
            refuse_idle(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if average is not None and (step + 1) % average_every == 0:
            average.update(model, step, average_every)
        now = time.monotonic()
        seconds = before + now - started
        if (step + 1) % log_every == 0:
            state.log(
                {"step": step + 1, "loss": round(loss.item(), 5), "seconds": round(seconds, 1)} | figures
            )
        if now - saved > save_every_s or step + 1 == num_steps:
            state.save(step + 1, model, optimiser, average, seconds)
            saved = now
        if check is not None and (step + 1) % check_every == 0:
            state.log({"step": step + 1, **check(step + 1)})
