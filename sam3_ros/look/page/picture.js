// The live picture: takes pictures from the feed, draws them, and tells of clicks, boxes and keys.
//
// Nothing that changes with each picture is known to Vue, which would compare the page at each.

const LONG_PRESS_MS = 500;
// Pointers that move less are clicks, CSS pixels; fingers are less steady.
const DRAG_PX = 6;
const FINGER_DRAG_PX = 12;
// How long the picture of another camera may stay until the first of the new one comes.
const FORGET_MS = 400;
// Of the picture's width, for each press of an arrow key.
const KEY_STEP = 0.02;
const RETRY_MS = [500, 1000, 2000, 4000];
const REFUSED_RETRY_MS = 8000;
const REFUSED = 1008;

export default {
  template: `
    <div class="look-picture">
      <canvas
        ref="canvas" tabindex="0" role="application" aria-roledescription="picture"
        :aria-label="'Picture of ' + title" aria-describedby="look-seen look-keys"
        :class="{ 'look-can-mark': marking }"
        @pointerdown="press" @pointermove="move" @pointerup="lift" @pointercancel="cancel"
        @contextmenu="menu" @keydown="key" @blur="hideCross"
      ></canvas>
      <div ref="band" class="look-band" hidden></div>
      <div ref="cross" class="look-cross" hidden></div>
      <div v-if="paused" class="look-paused" aria-hidden="true">Paused</div>
      <div v-if="note" class="look-note" role="status">{{ note }}</div>
      <p id="look-seen" ref="seen" class="look-hidden"></p>
      <p id="look-keys" class="look-hidden">{{ keys }}</p>
    </div>`,
  props: {
    feed: String,
    camera: String,
    layer: String,
    opacity: Number,
    title: String,
    marking: Boolean,
    paused: Boolean,
  },
  data() {
    return { note: "Waiting for the first picture" };
  },
  computed: {
    keys() {
      const marks =
        "Arrow keys move a cross, Enter marks an object, Shift and Enter what is not part of it, " +
        "B begins and ends a box, Escape gives up. ";
      return (this.marking ? marks : "") + "P pauses, Page Up and Page Down change the camera.";
    },
    blended() {
      return this.opacity < 1;
    },
  },
  watch: {
    camera: "changeCamera",
    layer: "changeView",
    blended: "changeView",
    paused: "changeView",
    opacity: "paint",
  },
  created() {
    this.shown = null; // head, image and plain of what the canvas shows
    this.ready = null; // the newest that is decoded and not drawn
    this.drawing = false;
    this.acknowledged = 0; // numbers begin again with each connection
    this.drawn = 0;
    this.gesture = null;
    this.cross = null; // of the keyboard: where it is, and where a box began
    this.tries = 0;
    this.onVisibility = () => this.sendView();
  },
  mounted() {
    document.getElementById("look-start")?.remove();
    document.addEventListener("visibilitychange", this.onVisibility);
    this.mark("data-paused", String(this.paused));
    this.connect();
  },
  beforeUnmount() {
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.ended = true;
    this.socket?.close();
    clearTimeout(this.retry);
  },
  methods: {
    // The feed.
    connect() {
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const socket = new WebSocket(`${scheme}://${location.host}${window.path_prefix ?? ""}${this.feed}`);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        document.body.classList.remove("look-cut");
        this.acknowledged = 0;
        if (this.ready) this.free(this.ready);
        this.ready = null;
        this.sendView();
      };
      socket.onmessage = (event) => {
        this.tries = 0;
        if (event.data instanceof ArrayBuffer) this.take(event.data, socket);
      };
      socket.onclose = (event) => {
        if (this.ended) return;
        document.body.classList.add("look-cut");
        this.askWhetherSignedIn();
        const refused = event.code === REFUSED;
        this.note = refused
          ? `The server refused: ${event.reason || "no reason given"}`
          : "The server of this page does not answer; trying again";
        const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
        this.retry = setTimeout(this.connect, refused ? REFUSED_RETRY_MS : wait);
      };
      this.socket = socket;
    },
    // A server that was started anew has a new token; it does not say so to a websocket.
    async askWhetherSignedIn() {
      try {
        const answer = await fetch(`${window.path_prefix ?? ""}${this.feed}`, { cache: "no-store" });
        if (answer.status === 401) location.reload();
      } catch {
        // It does not answer, which the note says.
      }
    },
    send(message) {
      if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
    },
    sendView() {
      const watching = !document.hidden && !this.paused;
      this.send(
        watching
          ? { camera: this.camera, layer: this.layer, plain: this.blended }
          : { camera: null },
      );
    },
    changeCamera() {
      // What was begun on one camera is not ended on another.
      this.cancel();
      this.hideCross();
      this.cross = null;
      this.changeView();
      setTimeout(this.forgetOther, FORGET_MS);
    },
    // A camera without pictures must not look as if the other one's were its own.
    forgetOther() {
      if (!this.shown || this.shown.head.camera === this.camera) return;
      this.free(this.shown);
      this.shown = null;
      this.cancel();
      const canvas = this.$refs.canvas;
      canvas.getContext("2d", { alpha: false }).fillRect(0, 0, canvas.width, canvas.height);
      this.note = "Waiting for the first picture";
    },
    changeView() {
      this.mark("data-paused", String(this.paused));
      this.sendView();
    },
    take(buffer, socket) {
      const length = new DataView(buffer).getUint32(0);
      const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
      let at = 4 + length;
      const blob = (part) => {
        if (!part) return null;
        const bytes = new Uint8Array(buffer, at, part.size);
        at += part.size;
        return new Blob([bytes], { type: part.type });
      };
      this.decode(socket, head, blob(head.image), blob(head.plain));
    },
    // Pictures are decoded while others are drawn; of those that are ready the newest is drawn.
    async decode(socket, head, image, plain) {
      try {
        const [drawing, under] = await Promise.all([
          createImageBitmap(image),
          plain ? createImageBitmap(plain) : null,
        ]);
        if (socket !== this.socket || head.n < (this.ready?.head.n ?? this.acknowledged)) {
          this.free({ drawing, under });
          return;
        }
        if (this.ready) this.free(this.ready);
        this.ready = { socket, head, drawing, under };
        if (!this.drawing) requestAnimationFrame(this.drawReady);
        this.drawing = true;
      } catch {
        this.note = "A picture could not be decoded";
        if (socket === this.socket) this.acknowledge(head.n);
      }
    },
    drawReady() {
      this.drawing = false;
      if (!this.ready) return;
      const { socket, head, drawing, under } = this.ready;
      const current = !this.paused && head.camera === this.camera && head.layer === this.layer;
      if (current) this.show(head, drawing, under);
      else this.free(this.ready);
      this.ready = null;
      if (socket === this.socket) this.acknowledge(head.n);
    },
    acknowledge(number) {
      if (number <= this.acknowledged) return; // a later one was ready before
      this.acknowledged = number;
      this.send({ ack: number });
    },
    free({ drawing, under }) {
      drawing.close();
      under?.close();
    },

    // What is shown.
    show(head, drawing, under) {
      if (this.shown) this.free(this.shown);
      this.shown = { head, drawing, under };
      this.note = "";
      this.drawn += 1;
      this.paint();
      this.mark("data-stamp", `${head.sec}.${String(head.nanosec).padStart(9, "0")}`);
      this.mark("data-camera", head.camera);
      this.mark("data-layer", head.layer);
      this.mark("data-segments", String(head.segments?.length ?? ""));
      this.mark("data-n", String(this.drawn));
      this.tellSeen(head);
    },
    // Called by the server: a picture that stays, in base64.
    async hold(head) {
      const blob = (part) => {
        if (!part) return null;
        const bytes = Uint8Array.from(atob(part.data), (letter) => letter.charCodeAt(0));
        return createImageBitmap(new Blob([bytes], { type: part.type }));
      };
      const [drawing, under] = await Promise.all([blob(head.image), blob(head.plain)]);
      this.show(head, drawing, under);
    },
    paint() {
      if (!this.shown) return;
      const { head, drawing, under } = this.shown;
      const canvas = this.$refs.canvas;
      if (canvas.width !== head.width || canvas.height !== head.height) {
        // What was begun means pixels of another size.
        this.cancel();
        this.hideCross();
        this.cross = null;
        canvas.width = head.width;
        canvas.height = head.height;
        this.$el.style.setProperty("--ratio", `${head.width} / ${head.height}`);
      }
      const brush = canvas.getContext("2d", { alpha: false });
      brush.globalAlpha = 1;
      brush.fillStyle = "#000";
      if (under || head.layer === "masks") brush.fillRect(0, 0, head.width, head.height);
      if (under) {
        // Masks alone let the picture through where there are none; an overlay covers it all.
        brush.globalAlpha = head.layer === "masks" ? 1 - this.opacity : 1;
        brush.drawImage(under, 0, 0, head.width, head.height);
        brush.globalAlpha = this.opacity;
      }
      brush.drawImage(drawing, 0, 0, head.width, head.height);
      this.mark("data-opacity", String(under ? this.opacity : 1));
    },
    mark(name, value) {
      this.$refs.canvas.setAttribute(name, value);
    },
    // For screen readers, which read it when they come to the picture.
    tellSeen(head) {
      const now = performance.now();
      if (now - (this.told ?? -1e4) < 1000) return;
      this.told = now;
      const counts = new Map();
      for (const segment of head.segments ?? []) {
        if (segment.score > 0) counts.set(segment.label, (counts.get(segment.label) ?? 0) + 1);
      }
      const parts = [...counts].map(([label, count]) => `${count} ${label}`);
      this.$refs.seen.textContent = parts.length ? `It shows ${parts.join(", ")}.` : "Nothing was found.";
    },

    // From the screen to pixels of the source image, and back.
    frame() {
      const outer = this.$refs.canvas.getBoundingClientRect();
      const { width, height } = this.shown.head;
      const scale = Math.min(outer.width / width, outer.height / height);
      const left = outer.left + (outer.width - width * scale) / 2;
      const top = outer.top + (outer.height - height * scale) / 2;
      return { left, top, scale, width, height };
    },
    toImage(clientX, clientY) {
      const { left, top, scale, width, height } = this.frame();
      const x = (clientX - left) / scale;
      const y = (clientY - top) / scale;
      return {
        x: Math.min(Math.max(x, 0), width),
        y: Math.min(Math.max(y, 0), height),
        inside: x >= 0 && y >= 0 && x <= width && y <= height,
      };
    },
    place(element, x0, y0, x1, y1) {
      const { left, top, scale } = this.frame();
      const origin = this.$el.getBoundingClientRect();
      element.style.left = `${left - origin.left + x0 * scale}px`;
      element.style.top = `${top - origin.top + y0 * scale}px`;
      element.style.width = `${(x1 - x0) * scale}px`;
      element.style.height = `${(y1 - y0) * scale}px`;
      element.hidden = false;
    },

    // Pointers: a click, a long press, a drag.
    press(event) {
      if (this.gesture) {
        this.cancel(); // a second finger: it is no click
        return;
      }
      if (!this.shown || !this.marking || event.button !== 0) return;
      const at = this.toImage(event.clientX, event.clientY);
      if (!at.inside) return;
      const finger = event.pointerType === "touch";
      const gesture = {
        id: event.pointerId, at, head: this.shown.head, finger,
        x: event.clientX, y: event.clientY, shift: event.shiftKey, dragging: false,
      };
      this.gesture = gesture;
      this.$refs.canvas.setPointerCapture(event.pointerId);
      if (finger) {
        gesture.timer = setTimeout(() => {
          if (this.gesture !== gesture) return;
          this.cancel();
          navigator.vibrate?.(20);
          this.tellPoint(false, at, gesture.head);
        }, LONG_PRESS_MS);
      }
    },
    move(event) {
      const gesture = this.gesture;
      if (gesture?.id !== event.pointerId) return;
      const far = Math.hypot(event.clientX - gesture.x, event.clientY - gesture.y);
      if (!gesture.dragging && far >= (gesture.finger ? FINGER_DRAG_PX : DRAG_PX)) {
        gesture.dragging = true;
        clearTimeout(gesture.timer);
      }
      if (gesture.dragging) this.showBand(gesture.at, this.toImage(event.clientX, event.clientY));
    },
    lift(event) {
      const gesture = this.gesture;
      if (gesture?.id !== event.pointerId) return;
      this.cancel();
      if (gesture.dragging) {
        // Its last corner is seen on the picture that is shown now.
        this.tellBox(gesture.at, this.toImage(event.clientX, event.clientY));
      } else {
        this.tellPoint(!(gesture.shift || event.shiftKey), gesture.at, gesture.head);
      }
    },
    cancel() {
      clearTimeout(this.gesture?.timer);
      this.gesture = null;
      this.$refs.band.hidden = true;
    },
    menu(event) {
      if (this.marking) event.preventDefault();
    },
    showBand(from, to) {
      this.place(
        this.$refs.band,
        Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y),
      );
    },

    // Keys.
    key(event) {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const act = this.actOf(event);
      if (!act) return;
      event.preventDefault();
      act();
    },
    actOf(event) {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const always = {
        p: () => this.$emit("pause"),
        P: () => this.$emit("pause"),
        PageUp: () => this.$emit("step", -1),
        PageDown: () => this.$emit("step", 1),
        Escape: () => this.giveUp(),
      };
      if (always[event.key]) return always[event.key];
      if (!this.marking || !this.shown) return null;
      if (steps[event.key]) return () => this.moveCross(...steps[event.key]);
      if (event.key === "Enter" || event.key === " ") return () => this.enter(!event.shiftKey);
      if (event.key.toLowerCase() === "b") return () => this.boxByKeys();
      return null;
    },
    moveCross(right, down) {
      const { width, height } = this.shown.head;
      this.cross ??= { x: width / 2, y: height / 2 };
      const step = KEY_STEP * width;
      this.cross.x = Math.min(Math.max(this.cross.x + right * step, 0), width);
      this.cross.y = Math.min(Math.max(this.cross.y + down * step, 0), height);
      this.showCross();
    },
    showCross() {
      const { x, y, from } = this.cross;
      this.place(this.$refs.cross, x, y, x, y);
      if (from) this.showBand(from, this.cross);
    },
    hideCross() {
      if (this.cross) this.cross.from = null;
      this.$refs.cross.hidden = true;
      this.$refs.band.hidden = true;
    },
    giveUp() {
      this.cancel();
      this.hideCross();
      this.$emit("escape");
    },
    enter(positive) {
      // What cannot be seen marks nothing; the first press shows where it is.
      if (!this.cross || this.$refs.cross.hidden) return this.moveCross(0, 0);
      if (this.cross.from) return this.boxByKeys();
      this.tellPoint(positive, this.cross, this.shown.head);
    },
    boxByKeys() {
      if (!this.cross || this.$refs.cross.hidden) this.moveCross(0, 0);
      const from = this.cross.from;
      if (!from) {
        this.cross.from = { x: this.cross.x, y: this.cross.y };
        return;
      }
      this.cross.from = null;
      this.$refs.band.hidden = true;
      this.tellBox(from, this.cross);
    },

    // What the page is told.
    stampOf(head) {
      return { camera: head.camera, sec: head.sec, nanosec: head.nanosec };
    },
    tellPoint(positive, at, head) {
      this.flash(positive, at);
      this.$emit("mark", { ...this.stampOf(head), kind: positive ? "positive" : "negative", at: [at.x, at.y] });
    },
    tellBox(from, to) {
      const at = [
        Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y),
      ];
      this.$emit("mark", { ...this.stampOf(this.shown.head), kind: "box", at });
    },
    flash(positive, at) {
      const dot = document.createElement("div");
      dot.className = `look-dot ${positive ? "look-dot-on" : "look-dot-off"}`;
      dot.textContent = positive ? "+" : "\u2212";
      this.$el.append(dot);
      this.place(dot, at.x, at.y, at.x, at.y);
      dot.style.width = dot.style.height = "";
      setTimeout(() => dot.remove(), 900);
    },
  },
};
