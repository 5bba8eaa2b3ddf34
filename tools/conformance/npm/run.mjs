// Runs the functions of a suite whose names begin with `test`; a line of JSON for each says how it ended.
//
//     node run.mjs ./with_openai.mjs http://127.0.0.1:4242 [part of names]

const [file, address, wanted = ''] = process.argv.slice(2);
const suite = await import(file);
for (const [name, test] of Object.entries(suite)) {
  if (!name.startsWith('test') || !name.includes(wanted)) continue;
  let error = null;
  try {
    await test(address);
  } catch (thrown) {
    error = String(thrown?.stack ?? thrown);
  }
  console.log(JSON.stringify({ name, error }));
}
