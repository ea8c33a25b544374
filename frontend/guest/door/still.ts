import { toBase64url } from '$src/transport/bytes';
import { maxPicture } from '$src/transport/generated/signalling';

const [width, height] = [160, 120];

/** One picture of the camera as a small JPEG in base64url, as it is sent: not mirrored. */
export async function still(track: MediaStreamTrack): Promise<string | undefined> {
  const video = document.createElement('video');
  try {
    video.muted = true;
    video.playsInline = true;
    video.srcObject = new MediaStream([track]);
    await video.play();
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    // As object-fit: cover does.
    const scale = Math.max(width / video.videoWidth, height / video.videoHeight);
    const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
    canvas.getContext('2d')!.drawImage(video, (width - w) / 2, (height - h) / 2, w, h);
    const jpeg = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg', 0.6));
    if (jpeg?.type !== 'image/jpeg' || jpeg.size > maxPicture) return undefined;
    return toBase64url(new Uint8Array(await jpeg.arrayBuffer()));
  } finally {
    video.srcObject = null;
  }
}
