// The browser's own slider: keyboard, touch and screen readers know it. Quasar's has its role on an
// element that takes no focus.
export default {
  template: `
    <input type="range" class="look-range" :min="min" :max="max" :step="step" v-model.number="now"
      @input="$emit('slide', now)" @change="$emit('settle', now)" @pointerdown="held = true"
      @pointerup="held = false" @blur="held = false" />`,
  props: { min: Number, max: Number, step: Number, value: Number },
  data() {
    return { now: this.value, held: false };
  },
  watch: { value: "move" },
  methods: {
    // Also called by the server, where the property has this value already.
    move(value) {
      if (!this.held) this.now = value;
    },
  },
};
