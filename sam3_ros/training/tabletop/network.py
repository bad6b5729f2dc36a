"""The tabletop network: SAM 3's stages at a hundredth of its size.

Each class is one stage of a bundle; its forward signature is the stage's contract. Sizes: input
240x320, grids at strides 2, 4 and 8, width 96. They share one file, above 300 lines, so that a
stage is read beside those that feed it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam3_ros.training.tabletop.layers import (
    Block,
    DynamicMasks,
    FewKeys,
    FewQueries,
    FourierPosition,
    PixelFeatures,
    ResidualUnit,
    conv,
    grid_points,
    masked_mean,
    mlp,
)

HEIGHT, WIDTH = 240, 320
GRID = (30, 40)
FINE_GRID = (60, 80)
MASK_GRID = (120, 160)
D, MIDDLE, FINE = 96, 48, 24
CONTEXT_LENGTH = 16
CLIP_VOCABULARY = 49408
QUERIES = 32
MASK_TOKENS = 4
#: The stages that all others build on, those that answer words, and those that answer clicks.
IMAGE_STAGES = ("image_trunk", "detector_neck", "tracker_neck")
CONCEPT_STAGES = ("text", "geometry", "fusion", "decoder", "scoring", "segmentation")
CLICK_STAGES = ("prompt_encoder", "mask_decoder")


class ImageTrunk(nn.Module):
    """pixel_values [B,3,240,320] -> maps at strides 2 (24), 4 (40), 8 (80) and 16 (128)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 6, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
        )
        self.s4 = nn.Sequential(conv(24, 40, stride=2), ResidualUnit(40))
        self.s8 = nn.Sequential(conv(40, 80, stride=2), ResidualUnit(80), ResidualUnit(80))
        self.s16 = nn.Sequential(conv(80, 128, stride=2), ResidualUnit(128), ResidualUnit(128))
        self.context = Block(128)
        self.position = nn.Parameter(torch.zeros(1, 300, 128))

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        s2 = self.stem(pixel_values)
        s4 = self.s4(s2)
        s8 = self.s8(s4)
        s16 = self.s16(s8)
        tokens = self.context(s16.flatten(2).transpose(1, 2), position=self.position)
        return s2, s4, s8, tokens.transpose(1, 2).unflatten(2, s16.shape[2:])


class TabletopNeck(nn.Module):
    """The trunk's maps -> fine [B,24,120,160], middle [B,48,60,80], coarse [B,96,30,40]."""

    def __init__(self) -> None:
        super().__init__()
        self.side2, self.side4 = nn.Conv2d(24, FINE, 1), nn.Conv2d(40, MIDDLE, 1)
        self.side8, self.side16 = nn.Conv2d(80, D, 1), nn.Conv2d(128, D, 1)
        self.coarse = conv(D, D)
        self.to_middle, self.to_fine = nn.Conv2d(D, MIDDLE, 1), nn.Conv2d(MIDDLE, FINE, 1)

    def forward(
        self, s2: Tensor, s4: Tensor, s8: Tensor, s16: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        coarse = self.coarse(self.side8(s8) + F.interpolate(self.side16(s16), scale_factor=2.0))
        middle = self.side4(s4) + F.interpolate(self.to_middle(coarse), scale_factor=2.0)
        fine = self.side2(s2) + F.interpolate(self.to_fine(middle), scale_factor=2.0)
        return F.relu(fine), F.relu(middle), coarse


class TabletopTextEncoder(nn.Module):
    """input_ids int64 [B,L] of CLIP's vocabulary -> features [B,L,D], mask [B,L].

    Only tokens of the tabletop's own phrases (`known`) have embeddings; all others share one.
    """

    def __init__(self, known: list[int]) -> None:
        super().__init__()
        table = torch.ones(CLIP_VOCABULARY, dtype=torch.int32)
        table[0] = 0
        for place, token in enumerate(sorted(set(known) - {0})):
            table[token] = place + 2
        self.register_buffer("table", table)
        self.embedding = nn.Embedding(int(table.max()) + 1, D)
        self.position = nn.Parameter(torch.randn(1, CONTEXT_LENGTH, D) * 0.02)
        self.blocks = nn.ModuleList([Block(D), Block(D)])
        self.norm = nn.LayerNorm(D)

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        mask = input_ids != 0
        x = self.embedding(self.table[input_ids].long()) + self.position
        for block in self.blocks:
            x = block(x, mask=mask)
        return self.norm(x), mask


class GeometryEncoder(nn.Module):
    """Exemplar boxes -> one token each, after a token that is always there."""

    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.randn(1, 1, D) * 0.02)
        self.look, self.place = nn.Linear(D, D), mlp(4, D, D)
        self.label = nn.Embedding(2, D)
        self.mix = nn.Sequential(nn.LayerNorm(D), mlp(D, 2 * D, D), nn.LayerNorm(D))

    def forward(
        self, boxes: Tensor, box_labels: Tensor, box_mask: Tensor, fpn2: Tensor
    ) -> tuple[Tensor, Tensor]:
        # An empty box goes first, and the token that is always there replaces its token:
        # ONNX Runtime 1.31 crashes with a division by zero in an Einsum over no boxes.
        boxes = F.pad(boxes, (0, 0, 1, 0))
        box_labels = F.pad(box_labels, (1, 0))
        height, width = GRID
        low, high = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2
        across = _coverage(low[..., 0], high[..., 0], width)
        down = _coverage(low[..., 1], high[..., 1], height)
        rows = torch.einsum("bnx,bcyx->bncy", across, fpn2)
        pooled = torch.einsum("bny,bncy->bnc", down, rows)
        tokens = self.look(pooled) + self.place(boxes) + self.label(box_labels.clamp(0, 1))
        tokens = torch.cat([self.cls.expand(boxes.shape[0], 1, D), tokens[:, 1:]], dim=1)
        mask = torch.cat([torch.ones_like(fpn2[:, :1, 0, 0], dtype=torch.bool), box_mask], dim=1)
        return self.mix(tokens), mask


def _coverage(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Return the share [B,N,cells] of each cell in the span's sum; low and high in [0,1]."""
    edges = torch.arange(cells, dtype=low.dtype, device=low.device)
    overlap = torch.minimum(high[..., None] * cells, edges + 1) - torch.maximum(
        low[..., None] * cells, edges
    )
    overlap = overlap.clamp(min=0)
    return overlap / overlap.sum(-1, keepdim=True).clamp(min=1e-3)


class TabletopFusion(nn.Module):
    """fpn2 [B,D,30,40] attends to the prompt [B,T,D] -> memory [B,1200,D]."""

    def __init__(self, blocks: int = 2) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, GRID[0] * GRID[1], D) * 0.02)
        self.blocks = nn.ModuleList([Block(D) for _ in range(blocks)])

    def forward(self, fpn2: Tensor, prompt: Tensor, prompt_mask: Tensor) -> Tensor:
        memory = fpn2.flatten(2).transpose(1, 2)
        for block in self.blocks:
            memory = block(memory, prompt, prompt_mask, position=self.position)
        return memory


class TabletopDecoder(nn.Module):
    """Peaks of an objectness map become queries, which attend to each other, so that one object
    keeps one query. The last four numbers of a query are its box."""

    def __init__(self, layers: int = 2) -> None:
        super().__init__()
        self.heat = mlp(D, D, 4)
        nn.init.constant_(self.heat[-1].bias, -4.0)
        self.fourier = FourierPosition(D)
        self.sub_cell = nn.Embedding(4, D)
        self.heat_in = nn.Linear(1, D)
        self.presence_token = nn.Parameter(torch.randn(1, 1, D) * 0.02)
        self.prompt_in = nn.Linear(D, D)
        self.to_self = nn.ModuleList([Block(D, feed_forward=False) for _ in range(layers)])
        self.to_prompt = nn.ModuleList([Block(D, feed_forward=False) for _ in range(layers)])
        self.to_memory = nn.ModuleList([Block(D) for _ in range(layers)])
        self.norm = nn.LayerNorm(D)
        self.box, self.presence, self.out = mlp(D, D, 4), mlp(D, D, 1), nn.Linear(D, D - 4)
        self.sought, self.seen = mlp(D, D, D), mlp(D, D, D)
        self.register_buffer("points", grid_points(*GRID))

    def forward(
        self, memory: Tensor, prompt: Tensor, prompt_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        queries, boxes, presence, _, _ = self.detail(memory, prompt, prompt_mask)
        return queries, boxes, presence

    def detail(
        self, memory: Tensor, prompt: Tensor, prompt_mask: Tensor, index: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the same and what only training needs: heat logits [B,60,80], points [B,Q,2].

        index: int64 [B,Q], the cells of the fine grid to begin at, in place of the highest peaks.
        """
        heat = self.heat(memory).transpose(1, 2).unflatten(2, GRID)
        heat = F.pixel_shuffle(heat, 2).float()
        tops = F.max_pool2d(heat, 3, 1, 1)
        peaks = torch.where(heat >= tops, heat, heat - 20).flatten(1)
        if index is None:
            strength, index = peaks.detach().topk(QUERIES, dim=1)
        else:
            strength = heat.detach().flatten(1).gather(1, index)
        y, x = index // FINE_GRID[1], index % FINE_GRID[1]
        cell, sub = (y // 2) * GRID[1] + x // 2, (y % 2) * 2 + x % 2
        points = torch.stack([(x + 0.5) / FINE_GRID[1], (y + 0.5) / FINE_GRID[0]], dim=-1)
        tokens = memory.gather(1, cell[..., None].expand(-1, -1, D))
        tokens = tokens + self.sub_cell(sub) + self.heat_in(strength[..., None])
        asked = self.prompt_in(masked_mean(prompt, prompt_mask))[:, None]
        tokens = torch.cat([tokens, self.presence_token + asked], dim=1)
        place = self.fourier(points)
        place = torch.cat([place, torch.zeros_like(place[:, :1])], dim=1)
        memory_place = self.fourier(self.points)[None]
        for to_self, to_prompt, to_memory in zip(
            self.to_self, self.to_prompt, self.to_memory, strict=True
        ):
            tokens = to_self(tokens, position=place)
            tokens = to_prompt(tokens, prompt, prompt_mask)
            tokens = to_memory(tokens, memory, position=place, context_position=memory_place)
        tokens = self.norm(tokens)
        queries, presence = tokens[:, :QUERIES], self.presence(tokens[:, QUERIES])
        boxes = around(points, self.box(queries))
        queries = torch.cat([self.out(queries), boxes.to(queries.dtype)], dim=-1)
        presence = presence + self._likeness(queries, prompt, prompt_mask).amax(1, keepdim=True)
        return queries, boxes, presence, heat[:, 0], points

    def _likeness(self, queries: Tensor, prompt: Tensor, prompt_mask: Tensor) -> Tensor:
        """Return how much each query is like what is asked for, [B,Q].

        The presence token alone learnt how often such a phrase is true, and did not look.
        """
        sought = self.sought(masked_mean(prompt, prompt_mask))
        return (self.seen(queries) @ sought[..., None])[..., 0] / D**0.5


def around(points: Tensor, offsets: Tensor) -> Tensor:
    """Return boxes cxcywh in [0,1] near the points, from raw offsets [...,4]."""
    offsets = offsets.float()
    size = 0.13 * offsets[..., 2:].clamp(-4, 2).exp()
    return torch.cat([points + 0.1 * offsets[..., :2], size], dim=-1)


class TabletopScoring(nn.Module):
    """How well the prompt names each query: logits [B,Q], clamped to +-12."""

    def __init__(self) -> None:
        super().__init__()
        self.prompt, self.query = mlp(D, D, D), mlp(D, D, D)
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, queries: Tensor, prompt: Tensor, prompt_mask: Tensor) -> Tensor:
        wanted = self.prompt(masked_mean(prompt, prompt_mask))
        logits = (self.query(queries) @ wanted[..., None])[..., 0] / D**0.5
        return (logits.float() + self.bias).clamp(-12, 12)


class TabletopSegmentation(nn.Module):
    """A mask of 120x160 logits for each query that was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels, self.masks = PixelFeatures(FINE, MIDDLE, D), DynamicMasks(D)

    def forward(self, fpn0: Tensor, fpn1: Tensor, memory: Tensor, queries: Tensor) -> Tensor:
        return self.masks(self.pixels_of(fpn0, fpn1, memory), queries, queries[..., D - 4 :])

    def pixels_of(self, fpn0: Tensor, fpn1: Tensor, memory: Tensor) -> Tensor:
        """Return what all masks of a prompt are made of: [B,C,120,160]."""
        return self.pixels(fpn0, fpn1, memory.transpose(1, 2).unflatten(2, GRID))


class DrawnMarks(nn.Module):
    """Clicks and a box -> maps of them [B,12,30,40].

    By the tokens alone a cell has to learn from waves where the marks are, and most of a training
    goes into that: after 200 steps from nothing, on ready image stages, the loss of the masks was
    0.33 with these and 0.69 without, that of the boxes 0.50 and 1.01.
    """

    #: Cells of the coarse map that a click reaches.
    SPREADS = (0.7, 2.0, 6.0)
    CLICKS, BOX = 2 * len(SPREADS), 6

    def __init__(self) -> None:
        super().__init__()
        cells = grid_points(*GRID) * torch.tensor(GRID[::-1])
        self.register_buffer("cells", cells, persistent=False)

    def forward(self, point_coords: Tensor, point_labels: Tensor) -> Tensor:
        """Take points [B,N,2] in pixels of the 240x320 input, and their labels [B,N]."""
        # One that is drawn nowhere, so that there always is one.
        labels = F.pad(point_labels, (0, 1), value=-1)
        places = F.pad(point_coords, (0, 0, 0, 1)) * (GRID[1] / WIDTH)
        maps = [*self._clicks(places, labels), *self._box(places, labels)]
        return torch.stack(maps, dim=1).unflatten(2, GRID)

    def _clicks(self, places: Tensor, labels: Tensor) -> list[Tensor]:
        """Return the hills of positive, then of negative clicks."""
        squared = ((self.cells - places[:, :, None]) ** 2).sum(-1)
        return [
            ((-squared / (2 * spread**2)).exp() * (labels == sign)[..., None]).amax(1)
            for sign in (1, 0)
            for spread in self.SPREADS
        ]

    def _box(self, places: Tensor, labels: Tensor) -> list[Tensor]:
        """Return how much of a cell the box covers, and a hill of its size, which says where in the
        box a cell is; all 0 without a box."""
        there = (labels == 2).any(1).to(places.dtype)[:, None]
        low, high = ((places * (labels == corner)[..., None]).sum(1) for corner in (2, 3))
        half = self.cells.new_full((), 0.5)
        sides = [
            torch.minimum(high[:, axis, None], self.cells[:, axis] + half)
            - torch.maximum(low[:, axis, None], self.cells[:, axis] - half)
            for axis in (0, 1)
        ]
        covered = sides[0].clamp(0, 1) * sides[1].clamp(0, 1)
        size = (high - low).clamp(min=0.5)
        x, y = (
            ((self.cells[:, axis] - (low + high)[:, axis, None] / 2) / size[:, axis, None]).clamp(
                -2, 2
            )
            for axis in (0, 1)
        )
        hill = (-2 * (x**2 + y**2)).exp()
        places_in_it = (hill, x * hill, y * hill, x.abs() * hill, y.abs() * hill)
        return [each * there for each in (covered, *places_in_it)]


class TabletopPromptEncoder(nn.Module):
    """Encodes clicks and box corners, in pixels of the 240x320 input, and a former mask."""

    def __init__(self) -> None:
        super().__init__()
        self.fourier = FourierPosition(D)
        self.label = nn.Embedding(5, D)  # -1 (padding), 0, 1, 2, 3
        nn.init.normal_(self.label.weight, std=0.2)  # quieter than the place
        self.no_mask = nn.Parameter(torch.zeros(1, D, 1, 1))
        self.mask = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(16, D, 3, 2, 1)
        )
        self.marks = DrawnMarks()
        self.draw = nn.Sequential(
            nn.Conv2d(DrawnMarks.CLICKS + DrawnMarks.BOX, 64, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, D, 1),
        )
        nn.init.zeros_(self.draw[-1].weight)
        nn.init.zeros_(self.draw[-1].bias)

    def forward(
        self, point_coords: Tensor, point_labels: Tensor, mask_input: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        size = torch.tensor([WIDTH, HEIGHT], dtype=point_coords.dtype)
        place = self.fourier(point_coords / size) * (point_labels >= 0)[..., None]
        tokens = place + self.label(point_labels + 1)
        padding = self.label.weight[None, :1].expand(tokens.shape[0], 1, D)
        has = has_mask.reshape(-1, 1, 1, 1)
        dense = has * self.mask(mask_input) + (1 - has) * self.no_mask
        dense = dense + self.draw(self.marks(point_coords, point_labels))
        return torch.cat([tokens, padding], dim=1), dense


class TwoWay(nn.Module):
    """Prompt tokens attend to each other and to the image, and the image to them."""

    def __init__(self) -> None:
        super().__init__()
        self.to_self = Block(D, feed_forward=False)
        self.to_image = Block(D, attention=FewQueries)
        self.to_tokens = Block(D, attention=FewKeys)

    def forward(
        self, tokens: Tensor, image: Tensor, place: Tensor, image_place: Tensor
    ) -> tuple[Tensor, Tensor]:
        tokens = self.to_self(tokens, position=place)
        tokens = self.to_image(tokens, image, position=place, context_position=image_place)
        image = self.to_tokens(image, tokens, position=image_place, context_position=place)
        return tokens, image


class CloserLook(nn.Module):
    """Tells the prompt tokens what the fine maps hold just where their points are.

    A cell of the coarse map is 16 pixels of 640 wide: from it alone, beside an object and on its
    edge are the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.find, self.sharpness = nn.Linear(D, D), nn.Parameter(torch.ones(()))
        nn.init.eye_(self.find.weight)
        nn.init.zeros_(self.find.bias)
        self.read = mlp(FINE + MIDDLE, D, D)
        nn.init.zeros_(self.read[-1].weight)
        fourier = FourierPosition(D)
        self.register_buffer("rows", fourier.along(1, MASK_GRID[0]))
        self.register_buffer("columns", fourier.along(0, MASK_GRID[1]))

    def forward(self, sparse: Tensor, fine: Tensor, middle: Tensor) -> Tensor:
        down, across = self.whereabouts(sparse)
        near = [_pooled(down, across, fine), _pooled(_pairs(down), _pairs(across), middle)]
        return sparse + self.read(torch.cat(near, dim=-1))

    def whereabouts(self, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row [B,T,120] and column [B,T,160] of each token's point, as shares of 1."""
        sought = self.find(sparse) * self.sharpness
        return tuple(
            (sought @ places.T).float().softmax(-1).to(sparse.dtype)
            for places in (self.rows, self.columns)
        )


def _pooled(down: Tensor, across: Tensor, features: Tensor) -> Tensor:
    """Return the mean [B,T,C] of features [B,C,h,w] by the weights [B,T,h] and [B,T,w]."""
    columns = features.flatten(1, 2) @ across.transpose(1, 2)  # [B,C*h,T]
    columns = columns.unflatten(1, (features.shape[1], -1)).permute(0, 3, 1, 2)
    return (columns * down[:, :, None]).sum(-1)


def _pairs(weights: Tensor) -> Tensor:
    return weights.unflatten(-1, (-1, 2)).sum(-1)


class TabletopMaskDecoder(nn.Module):
    """sam_embed, sam_s0, sam_s1, sparse, dense -> masks [B,4,120,160], IoU [B,4], object [B,1],
    tokens of the masks [B,4,96]."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(1, MASK_TOKENS + 2, D) * 0.02)
        self.fourier = FourierPosition(D)
        self.closer = CloserLook()
        self.blocks = nn.ModuleList([TwoWay(), TwoWay()])
        self.pointer_query, self.pointer_key = nn.Linear(D, D), nn.Linear(D, D)
        self.look = FewQueries(D)
        self.norm = nn.LayerNorm(D)
        self.box, self.iou, self.object = mlp(D, D, 4), mlp(D, D, MASK_TOKENS), mlp(D, D, 1)
        self.pixels, self.masks = PixelFeatures(FINE, MIDDLE, D), DynamicMasks(D)
        self.register_buffer("points", grid_points(*GRID))

    def forward(
        self, sam_embed: Tensor, sam_s0: Tensor, sam_s1: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        given = (sam_embed, sam_s0, sam_s1, sparse, dense)
        masks, iou, objects, _, tokens = self.detail(*given)
        return masks, iou, objects, tokens

    def detail(
        self,
        sam_embed: Tensor,
        sam_s0: Tensor,
        sam_s1: Tensor,
        sparse: Tensor,
        dense: Tensor,
        wanted: tuple[int, ...] = tuple(range(MASK_TOKENS)),
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return masks, IoU, object, the boxes [B,W,4] for the W tokens in `wanted`, and the
        tokens of all masks [B,4,96]."""
        given = (sam_embed, sam_s0, sam_s1, sparse, dense)
        pixels, queries, boxes, iou, objects, tokens = self.before_masks(*given, wanted)
        masks = self.masks(pixels, queries, boxes.detach())
        return masks, iou, objects, boxes, tokens

    def before_masks(
        self,
        sam_embed: Tensor,
        sam_s0: Tensor,
        sam_s1: Tensor,
        sparse: Tensor,
        dense: Tensor,
        wanted: tuple[int, ...] = tuple(range(MASK_TOKENS)),
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return what masks are made of, pixels [B,C,120,160], queries [B,W,96] and boxes [B,W,4],
        then IoU, object, tokens as above."""
        image = (sam_embed + dense).flatten(2).transpose(1, 2)
        image_place = self.fourier(self.points)[None]
        own = self.tokens.expand(sparse.shape[0], -1, -1)
        seen = self.closer(sparse.to(own.dtype), sam_s0, sam_s1)
        tokens = torch.cat([own, seen], dim=1)
        place = torch.cat([torch.zeros_like(own), sparse.to(own.dtype)], dim=1)
        for block in self.blocks:
            tokens, image = block(tokens, image, place, image_place)
        tokens = self.norm(tokens + self.look(tokens + place, image + image_place, image))
        queries = torch.stack([tokens[:, 2 + number] for number in wanted], dim=1)
        boxes = around(self._pointed_at(queries, image + image_place), self.box(queries))
        coarse = image.transpose(1, 2).unflatten(2, GRID)
        pixels = self.pixels(sam_s0, sam_s1, coarse)
        iou, objects = self.iou(tokens[:, 0]), self.object(tokens[:, 1])
        return pixels, queries, boxes, iou, objects, tokens[:, 2 : 2 + MASK_TOKENS]

    def _pointed_at(self, queries: Tensor, keys: Tensor) -> Tensor:
        # The attention of a query shows where its object is, from the first step on.
        # The bias of the keys is the same for all of them, so it drops out.
        sought = self.pointer_query(queries) @ self.pointer_key.weight
        similarity = sought @ keys.transpose(1, 2)
        weight = (similarity.float() / D**0.5).softmax(-1)
        return weight @ self.points


class TabletopNetwork(nn.Module):
    """All stages, by their names in the bundle."""

    def __init__(self, known_tokens: list[int]) -> None:
        super().__init__()
        self.image_trunk = ImageTrunk()
        self.detector_neck = TabletopNeck()
        self.tracker_neck = TabletopNeck()
        self.text = TabletopTextEncoder(known_tokens)
        self.geometry = GeometryEncoder()
        self.fusion = TabletopFusion()
        self.decoder = TabletopDecoder()
        self.scoring = TabletopScoring()
        self.segmentation = TabletopSegmentation()
        self.prompt_encoder = TabletopPromptEncoder()
        self.mask_decoder = TabletopMaskDecoder()
