// People whose cameras are large enough for three layers.
import { Person } from './person.mjs';

/** Like everybody else, but with all three camera layers. */
export class Layered extends Person {
  address(url) {
    const full = new URL(super.address(url));
    full.searchParams.delete('layers');
    return full.href;
  }
}

/** A camera of 960 × 540 in place of the small one: enough lines for three layers. */
export function largeCamera() {
  const plain = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted = {}) => {
    const stream = await plain(wanted);
    const [small] = stream.getVideoTracks();
    if (!small) return stream;
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = new MediaStream([small]);
    await video.play();
    const canvas = document.createElement('canvas');
    canvas.width = 960;
    canvas.height = 540;
    const pen = canvas.getContext('2d');
    setInterval(() => pen.drawImage(video, 0, 0, 960, 540), 66);
    const [track] = canvas.captureStream(15).getVideoTracks();
    // A canvas cannot be resized by its track.
    track.applyConstraints = async () => undefined;
    return new MediaStream([...stream.getAudioTracks(), track]);
  };
}
