// Draw the part of a recording that is in view. This runs when the time in view, the size, the channels or the gain change.
// `values` holds, for each channel, the lowest and the highest value of each bin, in their order in time; `samples` holds all
// samples of a part, on the rows in `sampled_rows`.

const POINTS = 1500 // maximum number of bins that are drawn per channel; if there are more, bins are joined
const APART = 3 // pixels of a bin from which its lowest and highest value are drawn as a bar
const WAVEFORMS = 400 // maximum number of spikes in view up to which their waveforms are coloured

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))
  return new Response(stream).arrayBuffer().then((buffer) => new Int16Array(buffer))
}

function unpacked() {
  traces.values ||= Promise.all([unpack(packed), unpack(packed_samples)])
  return traces.values
}

// Return the line of a channel through its samples from one to another; each pair of points shows `joined` samples, if not one.
function sampled(samples, channel, first, last, joined, place, scale) {
  const start = sampled_rows.indexOf(channel) * n_samples - first_sample
  const xs = [], ys = []
  for (let k = first; k < last; k += joined) {
    const part = samples.subarray(start + k, start + Math.min(k + joined, last))
    if (joined == 1) {
      xs.push(k / rate)
      ys.push(place + part[0] * scale)
    } else {
      xs.push((k + 0.25 * joined) / rate, (k + 0.75 * joined) / rate)
      ys.push(place + Math.min(...part) * scale, place + Math.max(...part) * scale)
    }
  }
  return [xs, ys]
}

// Return the line of a channel over some bins; each pair of points shows `joined` bins. Bars that stand apart (`apart`) do not
// look like a waveform where bins are wide.
function line(values, channel, first, last, joined, place, scale, apart) {
  const start = 2 * channel * n_bins
  const xs = [], ys = []
  for (let bin = first; bin < last; bin += joined) {
    const stop = Math.min(bin + joined, last)
    let low = values[start + 2 * bin], high = values[start + 2 * bin + 1]
    if (joined > 1) {
      for (let k = start + 2 * bin; k < start + 2 * stop; k++) {
        if (values[k] < low) low = values[k]
        if (values[k] > high) high = values[k]
      }
    }
    if (apart) {
      const middle = (bin + 0.5 * joined) * bin_width
      xs.push(middle, middle, NaN)
      ys.push(place + low * scale, place + high * scale, NaN)
    } else {
      xs.push((bin + 0.25 * joined) * bin_width, (bin + 0.75 * joined) * bin_width)
      ys.push(place + low * scale, place + high * scale)
    }
  }
  return [xs, ys]
}

// Return the first spike that is not before a time.
function search(times, time) {
  let low = 0, high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle] < time) low = middle + 1
    else high = middle
  }
  return low
}

function labelled(shown) {
  const places = shown.map((_, place) => place)
  axis.ticker.ticks = places.filter((place) => place % Math.ceil(shown.length / 32) == 0)
  // On a narrow screen the number of a channel has to do.
  const label = (row) => plot.outer_width < 500 ? labels[row].split(" · ")[0] : labels[row]
  axis.major_label_overrides = new Map(places.map((place) => [place, label(shown[place])]))
  plot.y_range.setv({start: -1.2, end: shown.length})
}

function draw([values, samples]) {
  const shown = chosen.value.map(Number).sort((a, b) => a - b)
  const places = new Map(shown.map((channel, place) => [channel, place]))
  const scale = gain.value * step / spacing
  const from = plot.x_range.start, to = plot.x_range.end
  const first = Math.max(0, Math.floor(from / bin_width)), last = Math.min(n_bins, Math.ceil(to / bin_width))
  const joined = Math.max(1, Math.ceil((last - first) / POINTS))
  // All samples are drawn where they are kept.
  const a = Math.max(0, Math.floor(from * rate)), b = Math.ceil(to * rate)
  const within = a >= first_sample && b <= first_sample + n_samples
  const kept = (channel) => within && sampled_rows.includes(channel)
  const each = Math.max(1, Math.ceil((b - a) / (2 * POINTS)))
  const apart = joined * bin_width / (to - from) * plot.inner_width > APART
  const lines = shown.map((channel, place) => kept(channel)
    ? sampled(samples, channel, a, b, each, place, scale)
    : line(values, channel, first, last, joined, place, scale, apart))
  traces.data = {xs: lines.map((l) => l[0]), ys: lines.map((l) => l[1])}

  const {time, unit} = spikes.data
  const begin = search(time, from), end = search(time, to)
  const marks = {x: [], y: [], colour: [], marker: [], unit: [], kind: []}, forms = {xs: [], ys: [], colour: []}
  for (let k = begin; k < end; k++) {
    const near = nearest[unit[k]]
    if (places.has(near[0])) {
      marks.x.push(time[k])
      marks.y.push(places.get(near[0]) - 0.42)
      marks.colour.push(colours[unit[k]])
      marks.marker.push(unit_markers[unit[k]])
      marks.unit.push(names[unit[k]])
      marks.kind.push(kinds[unit[k]])
    }
    if (end - begin > WAVEFORMS) continue
    const before = time[k] - 0.001, after = time[k] + 0.002
    for (const channel of near.filter((row) => places.has(row))) {
      const [xs, ys] = kept(channel)
        ? sampled(samples, channel, Math.max(a, Math.floor(before * rate)), Math.min(b, Math.ceil(after * rate)), each,
          places.get(channel), scale)
        : line(values, channel, Math.max(first, Math.floor(before / bin_width)), Math.min(last, Math.ceil(after / bin_width)),
          1, places.get(channel), scale, apart)
      forms.xs.push(xs)
      forms.ys.push(ys)
      forms.colour.push(colours[unit[k]])
    }
  }
  markers.data = marks
  waveforms.data = forms
  labelled(shown)
  const n_kept = shown.filter(kept).length
  const extremes = (duration) => `lowest and highest value of each ${(1000 * duration).toPrecision(2)} ms`
  const of_kept = each == 1 ? "each sample" : extremes(each / rate), of_others = extremes(joined * bin_width)
  const resolution = n_kept == shown.length ? of_kept : n_kept ? `${of_kept} on ${n_kept} rows, else ${of_others}` : of_others
  words.text = `Rows are ${(spacing / gain.value).toFixed(0)} µV apart  ·  ${end - begin} spike${end - begin == 1 ? "" : "s"} in view  ·  ${resolution}`
}

unpacked().then((values) => {
  if (traces.waiting) return
  traces.waiting = true
  requestAnimationFrame(() => {
    traces.waiting = false
    draw(values)
  })
})
