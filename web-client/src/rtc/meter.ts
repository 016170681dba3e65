/** Loudness of a microphone, for the moving bar of the lobby. */

/** Root mean square of samples (−1…1) → 0…1 on a scale of decibels from −60 to −6. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  if (rms <= 0) return 0;
  const decibels = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, (decibels + 60) / 54));
}

const INTERVAL_MS = 66;

/** Calls `show` about fifteen times a second until the returned function is called. */
export function meter(track: MediaStreamTrack, show: (level: number) => void): () => void {
  const Context = window.AudioContext;
  if (!Context) return () => undefined;
  const context = new Context();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  // Suspended until a gesture where autoplay is strict.
  const wake = () => void context.resume().catch(() => undefined);
  window.addEventListener("pointerdown", wake);
  wake();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    show(levelOf(samples));
  }, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    window.removeEventListener("pointerdown", wake);
    source.disconnect();
    void context.close().catch(() => undefined);
  };
}
