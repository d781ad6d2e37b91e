"""A GPT and its loop as nanoGPT has them (https://github.com/karpathy/nanoGPT), shortened, for the benchmark alone."""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, c: Any) -> None:
        super().__init__()
        self.c_attn, self.c_proj, self.heads = (
            nn.Linear(c.channels, 3 * c.channels),
            nn.Linear(c.channels, c.channels),
            c.heads,
        )

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.size()
        q, k, v = (
            one.view(b, t, self.heads, c // self.heads).transpose(1, 2) for one in self.c_attn(x).split(c, dim=2)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))


class Block(nn.Module):
    def __init__(self, c: Any) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(c.channels), Attention(c), nn.LayerNorm(c.channels)
        self.mlp = nn.Sequential(
            nn.Linear(c.channels, 4 * c.channels), nn.GELU(), nn.Linear(4 * c.channels, c.channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class PlainGpt(nn.Module):
    def __init__(self, c: Any) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(c.vocabulary, c.channels), nn.Embedding(c.width, c.channels)
        self.h, self.ln_f = nn.ModuleList(Block(c) for _ in range(c.layers)), nn.LayerNorm(c.channels)
        self.lm_head = nn.Linear(c.channels, c.vocabulary, bias=False)
        self.wte.weight = self.lm_head.weight
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, 0.0, 0.02)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1)))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


class PlainLoop:
    """nanoGPT's loop: random offsets, schedule, clipping, AdamW in groups; loss.item() every ten steps."""

    def __init__(self, settings: Any, ids: Tensor, tested: Any, batch: int, precision: str, folder: str) -> None:
        torch.manual_seed(0)
        self.model, self.ids, self.tested, self.batch, self.width = (
            PlainGpt(settings),
            ids,
            tested,
            batch,
            settings.width,
        )
        groups = [
            {"params": [one for one in self.model.parameters() if one.dim() >= 2], "weight_decay": 0.1},
            {"params": [one for one in self.model.parameters() if one.dim() < 2], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))
        self.context: Any = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()
        self.path, self.step = Path(folder) / f"plain-{precision}.pt", 0

    def run(self, steps: int) -> None:
        self.model.train()
        for _ in range(steps):
            for group in self.optimiser.param_groups:
                group["lr"] = 3e-4 + 0.5 * (1.0 + math.cos(math.pi * self.step / 10_000)) * 2.7e-3
            offsets = torch.randint(len(self.ids) - self.width, (self.batch,))
            x = torch.stack([self.ids[i : i + self.width] for i in offsets])
            y = torch.stack([self.ids[i + 1 : i + 1 + self.width] for i in offsets])
            with self.context:
                loss = self.model(x, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            if self.step % 10 == 0:
                loss.item()
            self.step += 1
        self._look()

    @torch.no_grad()
    def _look(self) -> None:
        self.model.eval()
        for start in range(0, len(self.tested), 16):
            x, y = self.tested.batch(range(start, min(start + 16, len(self.tested))))
            with self.context:
                self.model(x, y).item()
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimiser.state_dict()}, self.path)
