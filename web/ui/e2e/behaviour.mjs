export async function behaviour() {}
