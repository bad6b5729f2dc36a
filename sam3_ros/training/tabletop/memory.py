"""The stages that remember: SAM 3's video memory at the tabletop's size.

Signatures are SAM 3's. Inside, the memory attention finds for each cell of the image what the
memories said about the cells that look like it and lie near it. From this it draws a rough mask and
puts it into the features as the prompt encoder would put a given mask, so that the mask decoder,
which has learnt to read that, needs no further training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam3_ros.training.tabletop.layers import grid_points, mlp
from sam3_ros.training.tabletop.network import GRID, D, TabletopPromptEncoder

#: Of the memory mask and of a mask that is given as the prompt.
MEMORY_MASK = (120, 160)
#: Memories that are not of prompted frames; ages are 1 to this.
MEMORIES, PROMPTED, POINTERS, POINTER_DIVISOR = 3, 4, 16, 15
#: Channels of a memory: what a cell looks like, what the mask says there, how much of it is object.
LOOK, SAID = 32, 31
MEMORY_WIDTH = LOOK + SAID + 1
WIDTH = 64
#: The memory attention's heads and their channels; the last three of a key compare places.
HEADS, HEAD, PLACE = 2, 32, 3
POOLED = (GRID[0] // 2, GRID[1] // 2)
LARGEST_LOGIT = 6.0


class TabletopMemoryEncoder(nn.Module):
    """frame_features and fpn2 [1,96,30,40], memory_mask [P,1,120,160], object_score [P,1]
    -> [P,64,30,40].

    memory_mask is in [0,1]. A score of 0 or below marks a frame without the object.
    """

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(D, LOOK, 1)
        self.seen = nn.Conv2d(D, 24, 1)
        self.mask = nn.Conv2d(1, 24, 4, stride=4)
        self.said = nn.Sequential(
            nn.ReLU(), nn.Conv2d(48, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, SAID, 1)
        )
        self.absent = nn.Parameter(torch.randn(SAID) * 0.1)

    def forward(
        self, frame_features: Tensor, fpn2: Tensor, memory_mask: Tensor, object_score: Tensor
    ) -> Tensor:
        count = memory_mask.shape[0]
        seen = self.seen(frame_features).expand(count, -1, -1, -1)
        said = self.said(torch.cat([self.mask(memory_mask * 2 - 1), seen], dim=1))
        absent = (object_score <= 0).to(said.dtype)[:, :, None, None]
        said = said + absent * self.absent[:, None, None]
        look = self.look(fpn2).expand(count, -1, -1, -1)
        return torch.cat([look, said, F.avg_pool2d(memory_mask, 4)], dim=1)


class TabletopObjectPointer(nn.Module):
    """sam_tokens [P,4,96], object_score [P,1] -> pointers [P,4,96]."""

    def __init__(self) -> None:
        super().__init__()
        self.project = mlp(D, D, D)
        self.absent = nn.Parameter(torch.randn(D) * 0.1)

    def forward(self, sam_tokens: Tensor, object_score: Tensor) -> Tensor:
        there = (object_score > 0)[:, :, None]
        return torch.where(there, self.project(sam_tokens), self.absent)


class TabletopMaskPrompt(nn.Module):
    """object_mask [P,1,120,160] in [0,1] -> mask_prompt [P,1,120,160], logits."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Conv2d(1, 1, 1)
        nn.init.constant_(self.logits.weight, 2 * LARGEST_LOGIT)
        nn.init.constant_(self.logits.bias, -LARGEST_LOGIT)

    def forward(self, object_mask: Tensor) -> Tensor:
        return self.logits(object_mask)


class Neighbourhood(nn.Module):
    """Two convolutions beside an identity: over the neighbourhood, then within each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)
        self.mix = nn.Sequential(
            nn.GroupNorm(1, WIDTH), nn.Conv2d(WIDTH, 2 * WIDTH, 1), nn.ReLU(inplace=True)
        )
        self.out = nn.Conv2d(2 * WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(self.mix(self.near(x)))


class TabletopMemoryAttention(nn.Module):
    """The features of a frame -> the same, with what the memories say of one object.

    frame_features and fpn2 [1,96,30,40], memories [M,64,30,40], memory_ages int64 [M] (0 for a
    prompted frame, else 1 to MEMORIES), object_pointers [K,96], pointer_ages [K]
    (frames / POINTER_DIVISOR). Cells are compared by fpn2, the detector's map, which tells colours
    and shapes apart; the tracker's own map hardly does. What is known of them is gathered at half
    the grid, and spread over all of it in the end: an object is larger than two cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Conv2d(D, HEADS * (HEAD - PLACE), 1)
        self.key = nn.Linear(LOOK, HEADS * (HEAD - PLACE))
        self.value = nn.Conv2d(SAID + 1, HEADS * HEAD, 2, stride=2)
        self.key_age = nn.Embedding(MEMORIES + 1, HEADS)
        self.value_age = nn.Embedding(MEMORIES + 1, HEADS * HEAD)
        self.warmth = nn.Parameter(torch.full((HEADS,), 12.0))
        # How much a place counts that is near, by age: the first head keeps to the last place.
        near = torch.tensor([[0.1, 0.1], *[[30.0 / age, 0.1] for age in range(1, MEMORIES + 1)]])
        self.nearness = nn.Parameter(near.expm1().clamp(min=1e-3).log().where(near < 20, near))
        nn.init.zeros_(self.key_age.weight)
        self.seen = nn.Conv2d(2 * D, WIDTH, 1)
        self.told = nn.Linear(HEADS * HEAD, WIDTH)
        self.likeness_key = nn.Linear(LOOK + 1, WIDTH)
        self.likeness_value = nn.Linear(LOOK + 1, WIDTH)
        self.pointer_key, self.pointer_value = nn.Linear(D, WIDTH), nn.Linear(D, WIDTH)
        self.pointer_age = nn.Linear(1, WIDTH)
        self.no_pointer = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.pointer_query = nn.Conv2d(D, WIDTH, 1)
        self.pointed = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList([Neighbourhood(), Neighbourhood(), Neighbourhood()])
        self.compare, self.compared = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.spread = nn.Linear(WIDTH, 4 * WIDTH)
        self.norm = nn.GroupNorm(1, WIDTH)
        self.mask = nn.Conv2d(WIDTH, 4, 1)
        nn.init.constant_(self.mask.bias, -2.0)
        self.mask_embedding = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(16, D, 3, 2, 1)
        )
        self.other = nn.Conv2d(WIDTH, D, 1)
        nn.init.zeros_(self.other.weight)
        nn.init.zeros_(self.other.bias)
        shape = torch.tensor([GRID[1] / GRID[0], 1.0])
        pooled = grid_points(*POOLED) * shape
        self.register_buffer("query_place", torch.cat([2 * pooled, -torch.ones(len(pooled), 1)], 1))
        squares = (pooled**2).sum(1, keepdim=True)
        self.register_buffer("key_place", torch.cat([pooled, squares], 1))

    @torch.no_grad()
    def draw_as(self, prompts: TabletopPromptEncoder) -> None:
        """Draw masks into the features as the prompt encoder does."""
        self.mask_embedding.load_state_dict(prompts.mask.state_dict())
        self.mask_embedding[2].bias -= prompts.no_mask[0, :, 0, 0]

    def forward(
        self,
        frame_features: Tensor,
        fpn2: Tensor,
        memories: Tensor,
        memory_ages: Tensor,
        object_pointers: Tensor,
        pointer_ages: Tensor,
    ) -> Tensor:
        given = (memories, memory_ages, object_pointers, pointer_ages)
        found = self.found(frame_features, fpn2, *(x[None] for x in given))
        return self.marked(frame_features, found)

    def found(
        self,
        features: Tensor,
        looks: Tensor,
        memories: Tensor,
        ages: Tensor,
        pointers: Tensor,
        since: Tensor,
    ) -> Tensor:
        """Return for B objects what is known of each cell: [B,WIDTH,30,40].

        features and looks [B,96,30,40], memories [B,M,64,30,40], ages [B,M], pointers [B,K,96],
        since [B,K].
        """
        seen, pooled = self.seen(torch.cat([features, looks], 1)), F.avg_pool2d(looks, 2)
        known = self.told(self._recalled(pooled, memories, ages))
        known = known + self.pointed(self._pointed(pooled, memories, pointers, since))
        x = self.blocks[0](F.avg_pool2d(seen, 2) + _as_map(known))
        x = x + _as_map(self.compared(self._compared(x)))
        x = self.blocks[1](x)
        spread = self.spread(x.flatten(2).transpose(1, 2))
        x = seen + F.pixel_shuffle(_as_map(spread), 2)
        return self.norm(self.blocks[2](x))

    def rough(self, x: Tensor) -> Tensor:
        """Return the rough masks of objects, logits [B,1,60,80]."""
        return F.pixel_shuffle(self.mask(x), 2)

    def marked(self, features: Tensor, x: Tensor) -> Tensor:
        """Return the features with each object marked in them: [B,96,30,40]."""
        given = F.interpolate(
            self.rough(x).clamp(-LARGEST_LOGIT, LARGEST_LOGIT),
            scale_factor=2.0,
            mode="bilinear",
            align_corners=False,
        )
        return features + self.mask_embedding(given) + self.other(x)

    def _recalled(self, pooled: Tensor, memories: Tensor, ages: Tensor) -> Tensor:
        """Return what alike cells of the memories said: [B,300,HEADS*HEAD]."""
        batch, count = memories.shape[:2]
        cells = memories.flatten(0, 1)
        # A pooled cell looks like the object's part in it, if it has one.
        weight = 0.05 + cells[:, -1:]
        look = F.avg_pool2d(cells[:, :LOOK] * weight, 2) / F.avg_pool2d(weight, 2)
        look = look.flatten(2).transpose(1, 2).unflatten(0, (batch, count))
        said = self.value(cells[:, LOOK:]).flatten(2).transpose(1, 2)
        said = said.unflatten(0, (batch, count)) + self.value_age(ages)[:, :, None]
        key = F.normalize(self.key(look).unflatten(-1, (HEADS, -1)), dim=-1)
        query = self.query(pooled)
        query = F.normalize(query.unflatten(1, (HEADS, -1)), dim=2).flatten(3)
        query = query.transpose(2, 3) * self.warmth[:, None, None]
        near = F.softplus(self.nearness[ages])  # [B,M,HEADS]
        by_place = self.key_place[:, None] * near[:, :, None, :, None]
        # The last channel, times -1: the place's square, and less of what the age adds.
        by_age = torch.cat(
            [
                torch.zeros_like(by_place[..., :2]),
                -self.key_age(ages)[:, :, None, :, None].expand(-1, -1, by_place.shape[2], -1, -1),
            ],
            -1,
        )
        key = torch.cat([key, by_place + by_age], -1).flatten(1, 2).transpose(1, 2)
        place = self.query_place.expand(batch, HEADS, -1, -1)
        query = torch.cat([query, place], -1)
        value = said.unflatten(-1, (HEADS, -1)).flatten(1, 2).transpose(1, 2)
        found = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return found.transpose(1, 2).flatten(2)

    def _pointed(self, pooled: Tensor, memories: Tensor, pointers: Tensor, since: Tensor) -> Tensor:
        """Return how alike each cell is to memories and pointers: [B,300,WIDTH]."""
        weight = memories[:, :, -1:].flatten(3)
        seen = weight.sum(3)
        likeness = (memories[:, :, :LOOK].flatten(3) * weight).sum(3) / (seen + 0.5)
        likeness = torch.cat([likeness, (seen > 0.5).to(seen.dtype)], 2)
        query = self.pointer_query(pooled).flatten(2).transpose(1, 2)
        none = self.no_pointer.expand(query.shape[0], 1, WIDTH)
        age = self.pointer_age(since[..., None])
        keys = (none, self.likeness_key(likeness), self.pointer_key(pointers) + age)
        values = (none, self.likeness_value(likeness), self.pointer_value(pointers) + age)
        key, value = torch.cat(keys, 1), torch.cat(values, 1)
        return _attend(query, key, value)

    def _compared(self, x: Tensor) -> Tensor:
        """Return what the rest of the image says: which of two alike is nearer to the memory."""
        query, key, value = self.compare(x.flatten(2).transpose(1, 2)).split(WIDTH, dim=2)
        return _attend(query, key, value)


class TabletopMemory(nn.Module):
    """All stages that remember, by their names in the bundle."""

    def __init__(self) -> None:
        super().__init__()
        self.memory_encoder = TabletopMemoryEncoder()
        self.memory_attention = TabletopMemoryAttention()
        self.object_pointer = TabletopObjectPointer()
        self.mask_prompt = TabletopMaskPrompt()

    @torch.no_grad()
    def look_from(self, looks: Tensor) -> None:
        """Begin with cells that match those that look alike. looks: fpn2 of some frames,
        [N,96,30,40]."""
        attention, encoder = self.memory_attention, self.memory_encoder
        looks = looks.float()
        mean, spread = looks.mean((0, 2, 3)), looks.std((0, 2, 3)).clamp(min=1e-3)
        nn.init.orthogonal_(encoder.look.weight[:, :, 0, 0])
        encoder.look.weight /= spread[None, :, None, None]
        encoder.look.bias.copy_(-encoder.look.weight[:, :, 0, 0] @ mean)
        for head in attention.key.weight.split(HEAD - PLACE):
            nn.init.orthogonal_(head)
        nn.init.zeros_(attention.key.bias)
        attention.query.weight[:, :, 0, 0] = attention.key.weight @ encoder.look.weight[:, :, 0, 0]
        attention.query.bias.copy_(attention.key.weight @ encoder.look.bias)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    q, k, v = (x.unflatten(-1, (4, -1)).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _as_map(tokens: Tensor) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, POOLED)
