// Files as Excel saves CSV in China.

/** The bytes of each character that GBK has besides ASCII. */
const CODES = new Map<string, number[]>();
const decoder = new TextDecoder("gbk");
for (let lead = 0x81; lead <= 0xfe; lead += 1) {
  for (let trail = 0x40; trail <= 0xfe; trail += 1) {
    CODES.set(decoder.decode(Uint8Array.of(lead, trail)), [lead, trail]);
  }
}

/** Rows in GBK, with the line ends of Excel. */
export function gbk(...rows: string[]): Buffer {
  const text = rows.map((row) => `${row}\r\n`).join("");
  return Buffer.from([...text].flatMap((char) => CODES.get(char) ?? [char.charCodeAt(0)]));
}
