/** Quotes text as Go's `%q` does for printable text, because containerd's messages are written with it. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
