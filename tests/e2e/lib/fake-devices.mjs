// Runs in the page before anything else: every camera shows its own colour and moving code, every
// microphone gives its own tone. Ground truth for "the right person in the right tile".

/** Index 0 is the shared screen. */
export const COLOURS = [
  [232, 120, 24],
  [200, 40, 40],
  [40, 150, 60],
  [50, 80, 210],
  [205, 190, 50],
  [180, 50, 190],
  [40, 175, 190],
];

/** Hz of person `index`. */
export const tone = (index) => 300 + 170 * index;

export function install({ index, colours, frequency }) {
  const WIDTH = 320;
  const HEIGHT = 180;
  const fake = { frame: 0, gain: null };
  Object.defineProperty(window, '__fake', { value: fake });

  function picture(colourIndex, codeIndex) {
    const canvas = document.createElement('canvas');
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const pen = canvas.getContext('2d');
    const draw = () => {
      const frame = (fake.frame = (fake.frame + 1) & 0xffff);
      pen.fillStyle = `rgb(${colours[colourIndex].join(',')})`;
      pen.fillRect(0, 0, WIDTH, HEIGHT);
      // 4 bits of person, 4 bits of time (Gray code of quarter seconds), 36 px a block.
      const time = (frame >> 1) & 15;
      const bits = (codeIndex << 4) | (time ^ (time >> 1));
      for (let i = 0; i < 8; i++) {
        pen.fillStyle = (bits >> (7 - i)) & 1 ? '#fff' : '#000';
        pen.fillRect(16 + i * 36, 126, 36, 36);
      }
    };
    draw();
    setInterval(draw, 100);
    return canvas.captureStream(10).getVideoTracks()[0];
  }

  function sound() {
    const context = new AudioContext();
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    const out = context.createMediaStreamDestination();
    oscillator.frequency.value = frequency;
    gain.gain.value = 0.03;
    oscillator.connect(gain).connect(out);
    oscillator.start();
    context.resume();
    fake.gain = gain.gain;
    fake.context = context;
    return out.stream.getAudioTracks()[0];
  }

  let microphone = null;
  navigator.mediaDevices.getUserMedia = async (wanted = {}) => {
    const tracks = [];
    if (wanted.audio) tracks.push((microphone ??= sound()).clone());
    if (wanted.video) tracks.push(picture(index, index));
    return new MediaStream(tracks);
  };
  navigator.mediaDevices.getDisplayMedia = async () => new MediaStream([picture(0, 0)]);

  const analysers = new Map();
  /** Loudest frequency of an <audio> element in Hz, or null in silence. */
  window.__hear = (element) => {
    const stream = element?.srcObject;
    const track = stream?.getAudioTracks()[0];
    if (!track) return null;
    let entry = analysers.get(track.id);
    if (!entry) {
      const context = new AudioContext();
      context.resume();
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      entry = { analyser, rate: context.sampleRate, bins: new Float32Array(4096) };
      analysers.set(track.id, entry);
    }
    entry.analyser.getFloatFrequencyData(entry.bins);
    let best = 0;
    entry.bins.forEach((value, i) => {
      if (value > entry.bins[best]) best = i;
    });
    return entry.bins[best] > -75 ? (best * entry.rate) / 8192 : null;
  };

  const eye = document.createElement('canvas');
  eye.width = WIDTH;
  eye.height = HEIGHT;
  const look = eye.getContext('2d', { willReadFrequently: true });
  /** {person, time, colour} read from a <video>, or null while it shows nothing. */
  window.__see = (video) => {
    if (!video || !video.videoWidth) return null;
    look.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const at = (x, y) => look.getImageData(x, y, 1, 1).data;
    let bits = 0;
    for (let i = 0; i < 8; i++) {
      const [r, g, b] = at(16 + i * 36 + 18, 144);
      bits = (bits << 1) | (r + g + b > 384 ? 1 : 0);
    }
    return { person: bits >> 4, time: bits & 15, colour: [...at(160, 60)].slice(0, 3) };
  };
}
