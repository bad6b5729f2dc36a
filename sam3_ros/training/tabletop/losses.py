"""The losses, stage by stage.

They share one file, above 300 lines, so that a stage's loss is read beside the terms that it is
made of.
"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F

from sam3_ros.tabletop_words import COLOUR_NAMES, SHAPE_NAMES
from sam3_ros.training.tabletop.batches import Batch
from sam3_ros.training.tabletop.layers import DynamicMasks, grid_points, masked_mean
from sam3_ros.training.tabletop.mask_cells import cell_loss, lattice_cells, near, sampled_cells
from sam3_ros.training.tabletop.network import (
    FINE_GRID,
    GRID,
    IMAGE_STAGES,
    MASK_TOKENS,
    D,
    TabletopNetwork,
)
from sam3_ros.training.tabletop.world import FIRST_CLUTTER_ID

MASKS_PER_IMAGE = 8
#: An object that is named counts more than one that is not, or the network keeps silent in doubt:
#: it missed 7 in 100 and was wrong in 3 where both counted the same. With 1.5 it answered more
#: often to what is absent.
NAMED_WEIGHT = 1.25
#: Cells of the coarse grid on an object of medium size.
MEDIAN_CELLS = 16


class Objective(nn.Module):
    """All losses of a batch, by name.

    Its own heads are used in training alone. They predict colour, shape and box of each cell and
    query, and the meaning of a phrase, and so teach the stages long before the scores do.
    """

    def __init__(self, network: TabletopNetwork) -> None:
        super().__init__()
        self.network = network
        self.kinds = nn.Conv2d(D, len(COLOUR_NAMES) + 1 + len(SHAPE_NAMES) + 2, 1)
        self.meaning = nn.Linear(D, len(COLOUR_NAMES) + len(SHAPE_NAMES) + 4)
        self.query_kinds = nn.Linear(D, len(COLOUR_NAMES) + len(SHAPE_NAMES))
        self.click_kinds = nn.Conv2d(D, len(COLOUR_NAMES) + 1 + len(SHAPE_NAMES) + 2, 1)
        self.spans = nn.ModuleList([nn.Conv2d(D, 4, 1), nn.Conv2d(D, 4, 1)])
        self.images_learn = True

    def keep_images(self) -> None:
        """Let the image stages learn no more from here on."""
        for name in IMAGE_STAGES:
            self.network.get_submodule(name).eval().requires_grad_(False)
        self.images_learn = False

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses by name of what the batch asks; while the image stages learn, their
        dense ones too."""
        net = self.network
        losses: dict[str, Tensor] = {}
        detected: tuple[Tensor, ...] = ()
        tracked: tuple[Tensor, ...] = ()
        with torch.set_grad_enabled(self.images_learn and torch.is_grad_enabled()):
            trunk = net.image_trunk(batch.pixel_values)
            if self.images_learn or batch.prompts:
                detected = net.detector_neck(*trunk)
            if self.images_learn or batch.clicks:
                tracked = net.tracker_neck(*trunk)
        if self.images_learn:
            losses |= self._dense(batch, detected[2], tracked[2])
        if batch.prompts:
            losses |= self._concept(batch, *detected)
        if batch.clicks:
            losses |= self._clicks(batch, *tracked)
        return losses

    # -- dense

    def _dense(self, batch: Batch, fpn2: Tensor, sam2: Tensor) -> dict[str, Tensor]:
        cells = batch.labels[:, 8::16, 8::16].long()
        named = (cells > 0) & (cells < FIRST_CLUTTER_ID)
        index = (cells - 1).clamp(0, batch.objects.shape[1] - 1).flatten(1)
        kind = batch.objects.gather(1, index[..., None].expand(-1, -1, 2)).unflatten(1, GRID)
        colour = torch.where(named, kind[..., 0], len(COLOUR_NAMES))
        other = torch.where(cells >= FIRST_CLUTTER_ID, len(SHAPE_NAMES) + 1, len(SHAPE_NAMES))
        shape = torch.where(named, kind[..., 1], other)
        weight = cell_weights(cells)
        split = len(COLOUR_NAMES) + 1
        kinds = [
            (F.cross_entropy(part, wanted, reduction="none") * weight).sum() / weight.sum()
            for logits in (self.kinds(fpn2).float(), self.click_kinds(sam2).float())
            for part, wanted in ((logits[:, :split], colour), (logits[:, split:], shape))
        ]
        boxes = batch.boxes.gather(1, index[..., None].expand(-1, -1, 4))
        points = grid_points(*GRID)[None].expand(boxes.shape[0], -1, -1)
        wanted = torch.cat([boxes[..., :2] - points, boxes[..., 2:]], -1) * 10
        inside = named.flatten(1)
        spans = [
            (head(x).float().flatten(2).transpose(1, 2) - wanted).abs().mean(-1)[inside].sum()
            / inside.sum().clamp(min=1)
            for head, x in zip(self.spans, (fpn2, sam2), strict=True)
        ]
        return {
            "kinds": kinds[0] + kinds[1],
            "click_kinds": 0.5 * (kinds[2] + kinds[3]),
            "spans": 0.5 * sum(spans),
        }

    # -- concept

    def _concept(self, batch: Batch, fpn0: Tensor, fpn1: Tensor, fpn2: Tensor) -> dict[str, Tensor]:
        net = self.network
        repeated = fpn2.repeat_interleave(batch.prompts, 0)
        text, text_mask = net.text(batch.input_ids)
        geometry, geometry_mask = net.geometry(
            batch.exemplars, batch.exemplar_labels, batch.exemplar_mask, repeated
        )
        prompt = torch.cat([text, geometry.to(text.dtype)], 1)
        mask = torch.cat([text_mask, geometry_mask], 1)
        memory = net.fusion(repeated, prompt, mask)
        queries, boxes, presence, heat, points = net.decoder.detail(memory, prompt, mask)
        logits = net.scoring(queries, prompt, mask)

        expanded = [
            x.repeat_interleave(batch.prompts, 0)
            for x in (batch.centres, batch.boxes, batch.visible, batch.ignored)
        ]
        centres, wanted, visible, ignored = expanded
        row, query, item = assign(points, centres, wanted, visible)
        asked = batch.matches[row, item].float()
        count = max(1, len(row))
        target, weight = torch.zeros_like(logits), _not_on(points, wanted, ignored)
        target[row, query], weight[row, query] = asked, 1.0 + (NAMED_WEIGHT - 1) * asked
        score = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
        present = (batch.matches & visible).any(1, keepdim=True).float()
        boxes_found = boxes[row, query]
        losses = {
            "heat": heat_loss(heat, centres, wanted, visible, ignored),
            "score": 2 * score.sum() / count,
            "presence": 0.5 * F.binary_cross_entropy_with_logits(presence.float(), present),
            "box": box_loss(boxes_found, wanted[row, item]),
            "meaning": self._meaning(batch),
            "query_kinds": self._query_kinds(batch, queries[row, query], row, item),
        }
        return losses | self._masks(batch, fpn0, fpn1, memory, queries, row, query, item)

    def _meaning(self, batch: Batch) -> Tensor:
        features, mask = self.network.text(batch.phrases)
        logits = self.meaning(masked_mean(features, mask)).float()
        split = len(COLOUR_NAMES) + 2
        colour, shape = batch.meanings.unbind(1)
        return F.cross_entropy(logits[:, :split], colour) + F.cross_entropy(
            logits[:, split:], shape
        )

    def _query_kinds(self, batch: Batch, queries: Tensor, row: Tensor, item: Tensor) -> Tensor:
        logits = self.query_kinds(queries).float()
        if not len(row):
            return logits.sum() * 0
        split = len(COLOUR_NAMES)
        colour, shape = batch.objects[row // batch.prompts, item].unbind(1)
        return F.cross_entropy(logits[:, :split], colour) + F.cross_entropy(
            logits[:, split:], shape
        )

    def _masks(
        self,
        batch: Batch,
        fpn0: Tensor,
        fpn1: Tensor,
        memory: Tensor,
        queries: Tensor,
        row: Tensor,
        query: Tensor,
        item: Tensor,
    ) -> dict[str, Tensor]:
        """Return the mask loss of the first phrase's queries, whether they match it or not."""
        images = batch.labels.shape[0]
        chosen = torch.zeros(images, MASKS_PER_IMAGE, dtype=torch.long)
        items = torch.full((images, MASKS_PER_IMAGE), -1)
        for image in range(images):
            own = (row == image * batch.prompts).nonzero()[:, 0]
            own = own[torch.randperm(len(own))[:MASKS_PER_IMAGE]]
            chosen[image, : len(own)], items[image, : len(own)] = query[own], item[own]
        first = queries[:: batch.prompts].gather(1, chosen[..., None].expand(-1, -1, D))
        stage = self.network.segmentation
        pixels = stage.pixels_of(fpn0, fpn1, memory[:: batch.prompts])
        image, place = (items >= 0).nonzero(as_tuple=True)
        if not len(image):
            return {"mask": pixels.sum() * 0}
        number = items[image, place]
        wanted = coverage(batch.labels[image], number + 1)
        sample = sampled_cells(wanted, batch.boxes[image, number])
        cells = torch.zeros(images, MASKS_PER_IMAGE, sample.shape[1], dtype=torch.long)
        cells[image, place] = sample
        logits = stage.masks.at(pixels, first, first[..., D - 4 :], cells).float()
        return {"mask": cell_loss(logits[image, place], wanted.flatten(1).gather(1, sample))}

    # -- interactive

    def _clicks(self, batch: Batch, sam0: Tensor, sam1: Tensor, sam2: Tensor) -> dict[str, Tensor]:
        net = self.network
        sparse, dense = net.prompt_encoder(
            batch.points, batch.point_labels, batch.mask_input, batch.has_mask[:, 0]
        )
        image = torch.arange(sam2.shape[0]).repeat_interleave(batch.clicks)
        # Always the single mask, and one of the other three at random: they share all but a token.
        tokens = (0, int(torch.randint(1, MASK_TOKENS, ())))
        pixels, queries, boxes, iou, objects, _ = net.mask_decoder.before_masks(
            sam2[image], sam0[image], sam1[image], sparse, dense, tokens
        )
        there = batch.targets > 0
        losses = {"object": F.binary_cross_entropy_with_logits(objects[:, 0], there.float())}
        if not there.any():
            return losses
        wanted = coverage(batch.labels[image[there]], batch.targets[there])
        drawn = pixels[there], queries[there], boxes[there]
        found = iou[there][:, tokens]
        return losses | answer_losses(net.mask_decoder.masks, drawn, found, wanted)


def answer_losses(
    masks: DynamicMasks, drawn: tuple[Tensor, Tensor, Tensor], iou: Tensor, wanted: Tensor
) -> dict[str, Tensor]:
    """Return the losses of what marks were answered with by two tokens.

    drawn: pixels, queries [M,2,D] and boxes [M,2,4] of TabletopMaskDecoder.before_masks. iou
    [M,2]: that it predicts. wanted [M,120,160]: coverage.
    """
    pixels, queries, boxes = drawn
    still = pixels, queries, boxes.detach()
    outlines = bounds(wanted)
    sample = sampled_cells(wanted, outlines)
    count = queries.shape[1]
    logits = masks.at(*still, sample[:, None].expand(-1, count, -1)).float()
    truth = wanted.flatten(1).gather(1, sample)
    with torch.no_grad():
        cells = lattice_cells(*wanted.shape[1:])
        found = masks.at(*still, cells.expand(len(wanted), count, -1)) > 0
        whole = wanted.flatten(1)[:, None, cells] > 0.5
        overlap = (found & whole).sum(2) / (found | whole).sum(2).clamp(min=1)
    return {
        "click": sum(0.5 * cell_loss(logits[:, k], truth) for k in (0, 1)),
        "click_box": sum(0.5 * box_loss(boxes[:, k], outlines) for k in (0, 1)),
        "iou": (iou.float() - overlap).abs().mean(),
    }


def cell_weights(cells: Tensor) -> Tensor:
    """Return how much each cell of labels [B,h,w] counts: 0.1 on the table, else so that an object
    counts by the root of its size, or the many cells of large ones would hide the small."""
    numbers = F.one_hot(cells, 256).sum((1, 2))
    size = numbers.gather(1, cells.flatten(1)).view_as(cells)
    return torch.where(cells > 0, (MEDIAN_CELLS / size).sqrt(), 0.1)


def assign(
    points: Tensor, centres: Tensor, boxes: Tensor, visible: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Assign one query to each visible object: the nearest peak within its reach.

    points [R,Q,2], centres [R,N,2], boxes [R,N,4], all in [0,1] -> row, query and object indices.
    """
    grid = torch.tensor([FINE_GRID[1], FINE_GRID[0]])
    distance = torch.cdist(centres * grid, points.float() * grid)
    distance = distance.masked_fill((distance > _reach(boxes)[..., None]), 1e3)
    distance = distance.masked_fill(~visible[..., None], 1e3)
    rows: list[int] = []
    queries: list[int] = []
    items: list[int] = []
    for row, cost in enumerate(distance.numpy()):
        for item, query in zip(*linear_sum_assignment(cost), strict=True):
            if cost[item, query] < 1e3:
                rows.append(row)
                queries.append(query)
                items.append(item)
    return torch.tensor(rows).long(), torch.tensor(queries).long(), torch.tensor(items).long()


def _reach(boxes: Tensor) -> Tensor:
    """Return how far, in fine cells, a peak may be from the centroid of its object."""
    area = boxes[..., 2] * FINE_GRID[1] * boxes[..., 3] * FINE_GRID[0]
    return (0.3 * area.sqrt()).clamp(min=1.6)


def _not_on(points: Tensor, boxes: Tensor, ignored: Tensor) -> Tensor:
    """Return float [R,Q]: 0 for queries on an object that is hardly seen, else 1."""
    inside = ((points[:, :, None] - boxes[:, None, :, :2]).abs() <= boxes[:, None, :, 2:] / 2).all(
        -1
    )
    return 1.0 - (inside & ignored[:, None]).any(-1).float()


def heat_loss(
    heat: Tensor, centres: Tensor, boxes: Tensor, visible: Tensor, ignored: Tensor
) -> Tensor:
    """Return the penalty-reduced focal loss of CenterNet (arXiv 1904.07850) of logits [R,60,80]."""
    height, width = FINE_GRID
    grid = grid_points(height, width) * torch.tensor([width, height])
    places = centres * torch.tensor([width, height])
    sigma = (_reach(boxes) * 0.45)[..., None]
    squared = ((grid[None, None] - places[:, :, None]) ** 2).sum(-1)
    bumps = (-squared / (2 * sigma**2)).exp()
    target = (bumps * visible[..., None]).amax(1)
    unsure = (bumps * ignored[..., None]).amax(1)
    cell = places.long().clamp(min=0)
    index = cell[..., 1].clamp(max=height - 1) * width + cell[..., 0].clamp(max=width - 1)
    peak = torch.zeros_like(target).scatter_reduce(1, index, visible.float(), "amax")
    logits = heat.flatten(1)
    chance = logits.sigmoid()
    hit = peak * (1 - chance) ** 2 * F.softplus(-logits)
    miss = (1 - peak) * (1 - target) ** 4 * (1 - unsure) * chance**2 * F.softplus(logits)
    return (hit + miss).sum() / peak.sum().clamp(min=1)


def box_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """Return the L1 and generalised IoU loss of boxes cxcywh [M,4]."""
    if not len(boxes):
        return boxes.sum() * 0
    a0, a1 = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    b0, b1 = wanted[:, :2] - wanted[:, 2:] / 2, wanted[:, :2] + wanted[:, 2:] / 2
    common = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(-1)
    union = boxes[:, 2:].prod(-1) + wanted[:, 2:].prod(-1) - common
    hull = (torch.maximum(a1, b1) - torch.minimum(a0, b0)).prod(-1)
    giou = common / union - (hull - union) / hull
    return 10 * (boxes - wanted).abs().mean() + (1 - giou).mean()


def coverage(labels: Tensor, number: Tensor) -> Tensor:
    """Return the share [M,120,160] of each cell that the object covers, of labels [M,480,640]."""
    mask = (labels == number[:, None, None].to(labels.dtype)).float()
    return F.avg_pool2d(mask[:, None], 4)[:, 0]


def bounds(masks: Tensor) -> Tensor:
    """Return boxes cxcywh [M,4] in [0,1] of the cells that are mostly covered."""
    boxes = []
    for axis, size in ((1, masks.shape[2]), (2, masks.shape[1])):
        line = masks.amax(axis) > 0.3
        first = line.float().argmax(1)
        last = size - line.flip(1).float().argmax(1)
        boxes.append(((first + last) / 2 / size, (last - first) / size))
    (cx, w), (cy, h) = boxes
    return torch.stack([cx, cy, w, h], -1)


def mask_loss(logits: Tensor, wanted: Tensor, boxes: Tensor) -> Tensor:
    """Return cross-entropy around the object plus dice, against soft coverage [M,h,w]."""
    logits = logits.float()
    weight = torch.where(near(wanted, boxes), 1.0, 0.05)
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight
    entropy = entropy.sum((1, 2)) / weight.sum((1, 2))
    chance = logits.sigmoid()
    dice = 1 - (2 * (chance * wanted).sum((1, 2)) + 1) / (
        (chance**2).sum((1, 2)) + (wanted**2).sum((1, 2)) + 1
    )
    return (3 * entropy + dice).mean()
